"""Trap 11: clients spell the message of a GET in many ways; one blob through a real server."""

from __future__ import annotations

import base64
import socket

import pytest

from pyscep import http, http_server
from pyscep.capabilities import HttpMethod
from pyscep.errors import ScepError
from pyscep.http import HttpRequest, HttpResponse
from pyscep.testing import ScepServer
from pyscep.transport import RequestsTransport

# All that needs escaping, in more than one line of 64.
TEXT = "MII+" + "/+A9" * 40 + "++8="
BLOB = base64.b64decode(TEXT)
LINES = [TEXT[index : index + 64] for index in range(0, len(TEXT), 64)]

SPELLINGS = {
    "as the RFC has it": TEXT.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
    "in lower case": TEXT.replace("+", "%2b").replace("/", "%2f").replace("=", "%3d"),
    "raw": TEXT,
    "spaces for plus": TEXT.replace("+", "%20"),
    "strongSwan": "%0A".join(LINES).replace("+", "%2B") + "%0A",
    "Cisco": TEXT.replace("+", "%2B").replace("=", "%3D") + "%0A",
    "CRLF": "%0D%0A".join(LINES) + "%0D%0A",
    "unpadded": TEXT.rstrip("=").replace("+", "%2B"),
    "URL-safe": TEXT.replace("+", "-").replace("/", "_"),
}
BROKEN = {
    "truncated": SPELLINGS["as the RFC has it"].removesuffix("%2B8%3D"),
    "truncated in an escape": SPELLINGS["as the RFC has it"].removesuffix("2B8%3D"),
    "escaped twice": SPELLINGS["as the RFC has it"].replace("%", "%25"),
    "no base64": "%7B%7D",
    "empty": "",
}


def echo(request: HttpRequest) -> HttpResponse:
    try:
        return http_server.pki_operation_response(http_server.parse_request(request).message)
    except ScepError as error:
        return http_server.error_response(error)


def exchange(server: ScepServer, query: str) -> tuple[int, bytes]:
    """Send a query as it stands, which no HTTP library would leave alone."""
    port = int(server.url.rpartition(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = f"GET /scep?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        with connection.makefile("rb") as file:
            response = file.read()
    start, _, body = response.partition(b"\r\n\r\n")
    return int(start.split()[1]), body


def test_sample_is_hard() -> None:
    assert base64.b64encode(BLOB).decode() == TEXT
    assert len(LINES) > 1


@pytest.mark.conforms("T-05", "T-06", "T-07")
@pytest.mark.parametrize("value", SPELLINGS.values(), ids=SPELLINGS)
def test_spellings(value: str) -> None:
    with ScepServer(echo) as server:
        for query in (
            f"operation=PKIOperation&message={value}",
            f"message={value}&operation=PKIOperation",
        ):
            assert exchange(server, query) == (200, BLOB)
        server.check()


@pytest.mark.conforms("T-07", "T-33")
@pytest.mark.parametrize("value", BROKEN.values(), ids=BROKEN)
def test_broken_ones(value: str) -> None:
    with ScepServer(echo) as server:
        status, body = exchange(server, f"operation=PKIOperation&message={value}")
        server.check()
    assert (status, body) == (400, b"The request was not understood.\n")


@pytest.mark.conforms("T-05", "T-06")
def test_our_own() -> None:
    with ScepServer(echo) as server, RequestsTransport(timeout=10) as send:
        request = http.pki_operation(server.url, BLOB, method=HttpMethod.GET)
        assert http.parse_pki_operation(send(request)) == BLOB
        (entry,) = server.log
    query = entry.request.url.partition("?")[2]
    assert query == f"operation=PKIOperation&message={SPELLINGS['as the RFC has it']}"
