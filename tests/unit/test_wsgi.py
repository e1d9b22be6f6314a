"""The responder as a WSGI application: under the standard library's server, and by the standard."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from pyscep.capabilities import HttpMethod
from pyscep.client import Client
from pyscep.http import HttpResponse
from pyscep.limits import Limits
from pyscep.responder import Responder
from pyscep.testing.wsgi import wsgi_application
from pyscep.transaction import Success, require_success
from pyscep.transport import RequestsTransport
from tests.helpers import keys, responders
from tests.helpers.responders import begin, new_responder

LIMITS = Limits(message_size=20_000)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


class LocalServer(WSGIServer):
    """On loopback nobody has to be asked what this machine is called."""

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]
        self.setup_environ()


@pytest.fixture
def responder() -> Responder:
    return new_responder(limits=LIMITS)


@pytest.fixture
def url(responder: Responder) -> Iterator[str]:
    application: Any = validator(wsgi_application(responder.handle, limits=LIMITS))
    with make_server(
        "127.0.0.1", 0, application, server_class=LocalServer, handler_class=Quiet
    ) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/scep"
        server.shutdown()
        thread.join()


@pytest.mark.conforms("T-09", "T-20", "T-21", "T-28")
@pytest.mark.parametrize("method", HttpMethod)
def test_enrolment_under_wsgiref(responder: Responder, url: str, method: HttpMethod) -> None:
    """The validator sits between and complains about whatever PEP 3333 does not allow."""
    with RequestsTransport(timeout=10) as send:
        client = Client(url, send=send, provider=keys.provider())
        algorithms = client.get_ca_caps().select()
        ca = client.get_ca_cert().authenticate(
            sha256=responder.authority.issuer.sha256_fingerprint, at=keys.NOW
        )
        asked = responders.csr()
        reply = client.enrol(
            asked,
            identity=responders.self_signed(asked),
            ca=ca,
            algorithms=replace(algorithms, http_method=method),
        )
    assert isinstance(reply, Success)


def call(
    handle: Callable[..., HttpResponse], body: bytes = b"", **environment: Any
) -> tuple[str, dict[str, str], bytes]:
    """Call the application as a WSGI server does, with the validator between."""
    environment.setdefault("QUERY_STRING", "")
    setup_testing_defaults(environment)
    environment["wsgi.input"] = io.BytesIO(body)
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> Any:
        started.append((status, headers))
        return lambda _: None

    application: Any = wsgi_application(handle, limits=LIMITS)
    # The validator cannot read every length that a client may send.
    if len(environment.get("CONTENT_LENGTH", "")) < 9 and environment.get("CONTENT_LENGTH") != "²":
        application = validator(application)
    result = application(environment, start_response)
    answer = b"".join(result)
    if not isinstance(result, list):
        result.close()
    ((status, headers),) = started
    return status, dict(headers), answer


@pytest.mark.conforms("T-15", "T-17", "T-29")
@pytest.mark.parametrize(
    "environment",
    [
        {"CONTENT_LENGTH": "right"},
        {"wsgi.input_terminated": True},
        {"CONTENT_LENGTH": "right", "CONTENT_TYPE": "application/x-www-form-urlencoded"},
    ],
    ids=["length", "chunks", "form"],
)
def test_bodies(responder: Responder, environment: dict[str, Any]) -> None:
    exchange = begin(responder)
    if "CONTENT_LENGTH" in environment:
        environment = {**environment, "CONTENT_LENGTH": str(len(exchange.message))}
    status, headers, answer = call(
        responder.handle, exchange.message, REQUEST_METHOD="POST", **environment
    )
    assert status == "200 OK"
    assert headers == {
        "Content-Type": "application/x-pki-message",
        "Cache-Control": "no-store",
        "Content-Length": str(len(answer)),
    }
    require_success(exchange.receive(answer))


@pytest.mark.conforms("T-29", "T-33")
@pytest.mark.parametrize(
    ("environment", "body", "status"),
    [
        ({"CONTENT_LENGTH": "20001"}, b"", "413 "),
        ({"CONTENT_LENGTH": "9" * 5000}, b"", "400 Bad Request"),
        ({"CONTENT_LENGTH": "²"}, b"", "400 Bad Request"),
        ({"CONTENT_LENGTH": "5"}, b"four", "400 Bad Request"),
        ({"CONTENT_LENGTH": ""}, b"unread", "400 Bad Request"),
        ({"wsgi.input_terminated": True}, bytes(20_001), "413 "),
        ({"REQUEST_METHOD": "PUT"}, b"", "405 Method Not Allowed"),
    ],
)
def test_refusals(
    responder: Responder, environment: dict[str, Any], body: bytes, status: str
) -> None:
    environment = {"REQUEST_METHOD": "POST", **environment}
    got, headers, answer = call(responder.handle, body, **environment)
    assert got.startswith(status)
    assert headers["Content-Type"] == "text/plain"
    assert headers["Content-Length"] == str(len(answer))


def test_head_has_no_body(responder: Responder) -> None:
    status, headers, answer = call(
        responder.handle, REQUEST_METHOD="HEAD", QUERY_STRING="operation=GetCACaps"
    )
    assert (status, answer) == ("405 Method Not Allowed", b"")
    assert headers["Allow"] == "GET, POST"


def test_what_the_responder_sees() -> None:
    seen = []

    def handle(request: Any) -> HttpResponse:
        seen.append(request)
        return HttpResponse(status=299, headers=(("Content-Type", "text/plain"),), body=b"odd")

    status, _, _ = call(
        handle,
        SCRIPT_NAME="/app",
        PATH_INFO="/scep",
        QUERY_STRING="operation=GetCACaps",
        HTTP_USER_AGENT="device",
    )
    assert status == "299 Unknown"
    (request,) = seen
    assert (request.method, request.url) == ("GET", "/app/scep?operation=GetCACaps")
    assert ("User-Agent", "device") in request.headers
