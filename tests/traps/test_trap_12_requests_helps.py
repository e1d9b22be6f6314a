"""Trap 12: requests means well; what leaves is still exactly what was meant."""

from __future__ import annotations

import pytest

from pyscep import http, http_server
from pyscep.capabilities import HttpMethod
from pyscep.errors import HttpError
from pyscep.http import HttpRequest, HttpResponse
from pyscep.testing import ScepServer
from pyscep.transport import RequestsTransport

MESSAGE = b"0\x82" + b"a=b&c=%2F+d" * 1000


def headers_of(request: HttpRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers}


def echo(request: HttpRequest) -> HttpResponse:
    return http_server.pki_operation_response(http_server.parse_request(request).message)


@pytest.mark.conforms("T-10", "T-11", "T-14", "T-16", "T-18")
def test_post_is_sent_as_it_is() -> None:
    with ScepServer(echo, path="/mdps_scep.php/1?z=%2F&tenant=x&a=") as server:
        with RequestsTransport(timeout=10) as send:
            response = send(http.pki_operation(server.url, MESSAGE, method=HttpMethod.POST))
        server.check()
        (entry,) = server.log
    assert http.parse_pki_operation(response) == MESSAGE
    assert entry.request.method == "POST"
    assert entry.request.url == "/mdps_scep.php/1?z=%2F&tenant=x&a=&operation=PKIOperation"
    assert entry.request.body == MESSAGE
    headers = headers_of(entry.request)
    assert headers["content-length"] == str(len(MESSAGE))
    assert headers["content-type"] == "application/x-pki-message"
    assert not {"transfer-encoding", "expect", "authorization", "cookie"} & set(headers)


@pytest.mark.conforms("T-15")
@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_form_type_does_not_eat_the_body(content_type: str) -> None:
    with ScepServer(echo) as server, RequestsTransport(timeout=10) as send:
        request = HttpRequest(
            method="POST",
            url=server.url + "?operation=PKIOperation",
            headers=(("Content-Type", content_type),),
            body=MESSAGE,
        )
        assert http.parse_pki_operation(send(request)) == MESSAGE
        server.check()


@pytest.mark.conforms("T-26")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["/elsewhere", "http://ca.example/scep", "//ca.example/scep"])
def test_redirect_is_an_error(status: int, target: str) -> None:
    def handle(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=status, headers=(("Location", target),))

    with ScepServer(handle) as server, RequestsTransport(timeout=10) as send:
        for method in HttpMethod:
            with pytest.raises(HttpError, match=f"redirects to '{target}', which is not followed"):
                send(http.pki_operation(server.url, MESSAGE[:100], method=method))
        assert [entry.request.method for entry in server.log] == ["GET", "POST"]
