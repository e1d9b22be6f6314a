"""pyscep.transport: every way in which an exchange over real sockets can end.

The servers here are scripts that write bytes; each wait in them is bounded.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import pickle
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import pytest
import requests
import urllib3
from requests import adapters, exceptions

from pyscep import extensions, http
from pyscep.capabilities import HttpMethod
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.errors import HttpError, LimitExceeded, ScepError, TransportError, UsageError
from pyscep.http import HttpRequest, HttpResponse
from pyscep.limits import Limits
from pyscep.transport import RequestsTransport
from tests.helpers import keys

MESSAGE = b"\x30\x82" + bytes(range(256)) * 40
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
WAIT = 10.0
"""Seconds after which a script gives up, so that nothing hangs if the client does."""
SOON = 6.0
"""Seconds within which a client must have given up."""

Script = Callable[[socket.socket], None]


def reply(body: bytes = b"0\x00", *, head: bytes = OK) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def read_request(connection: socket.socket) -> bytes:
    """Read one request with its body; empty if the client has hung up."""
    octets = b""
    # A ClientHello of TLS is not waited for.
    while b"\r\n\r\n" not in octets and not octets.startswith(b"\x16"):
        piece = connection.recv(65536)
        if not piece:
            return octets
        octets += piece
    head, _, body = octets.partition(b"\r\n\r\n")
    size = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            size = int(line.partition(b":")[2])
    while len(body) < size:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


class RawServer:
    """Reads a request from each connection and runs the next script; keeps what it read."""

    def __init__(self, *scripts: Script | bytes, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._scripts = scripts
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.01)
        self._stopped = threading.Event()
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}/scep"

    def __enter__(self) -> RawServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        for connection in self._open:
            # Wakes the thread up that waits for another request.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(WAIT)
        self._socket.close()
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._socket.accept()
                # The client may hang up at any time, that is what is tested.
                with connection, contextlib.suppress(OSError):
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(WAIT)
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        self._open.append(connection)
        with connection:
            while octets := read_request(connection):
                self.requests.append(octets)
                if callable(script):
                    script(connection)
                    return
                connection.sendall(script)


def sends(*pieces: bytes) -> Script:
    """Send *pieces* and close."""

    def script(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return script


def sends_for_ever(start: bytes, again: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        connection.sendall(start)
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            connection.sendall(again)

    return script


def drips(start: bytes, drop: bytes = b"x", *, every: float = 0.02) -> Script:
    """Send *start*, and then a drop now and then: never silent, never done."""

    def script(connection: socket.socket) -> None:
        connection.sendall(start)
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            connection.sendall(drop)
            time.sleep(every)

    return script


def is_silent(connection: socket.socket) -> None:
    connection.recv(1)


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def get(url: str) -> HttpRequest:
    """Return a request whose query must never be seen in an error."""
    return http.pki_operation(url, b"secret message", method=HttpMethod.GET)


SECRET = "c2VjcmV0"


@contextlib.contextmanager
def transport(**options: Any) -> Iterator[RequestsTransport]:
    with RequestsTransport(**{"timeout": WAIT, **options}) as send:
        yield send


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds


def failure(
    script: Script | bytes, *, expect: type[ScepError] = TransportError, **options: Any
) -> Any:
    """Return the error that an exchange with such a server ends in."""
    with RawServer(script) as server, transport(**options) as send, within(SOON):
        with pytest.raises(expect) as caught:
            send(get(server.url))
        assert server.connections == 1
        return checked(caught.value, server.url)


def checked(error: Any, url: str) -> Any:
    """Assert what holds for every error."""
    assert SECRET not in str(error) + repr(vars(error))
    assert error.__cause__ is None
    assert error.__context__ is None
    if isinstance(error, TransportError):
        assert error.url == url
        assert str(error).startswith(url)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(again), vars(again)) == (str(error), vars(error))
    return error


# ------------------------------------------------------------------------------ what is sent, read


@pytest.mark.conforms("T-01", "T-14", "T-16", "T-18")
def test_post() -> None:
    with RawServer(reply(MESSAGE)) as server, transport() as send:
        response = send(http.pki_operation(server.url, MESSAGE, method=HttpMethod.POST))
    assert response.status == 200
    assert response.body == MESSAGE
    assert response.header("content-type") == "text/plain"
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    assert first == "POST /scep?operation=PKIOperation HTTP/1.1"
    assert dict(line.split(": ") for line in lines) == {
        "Host": f"127.0.0.1:{server.port}",
        "User-Agent": "pyscep",
        "Accept-Encoding": "identity",
        "Accept": "*/*",
        "Connection": "keep-alive",
        "Content-Type": "application/x-pki-message",
        "Content-Length": str(len(MESSAGE)),
    }
    assert body == MESSAGE


@pytest.mark.conforms("T-05", "T-10")
@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/certsrv/mscep/mscep.dll/pkiclient.exe?", "/certsrv/mscep/mscep.dll/pkiclient.exe?"),
        ("/onboard/mdps_scep.php/1", "/onboard/mdps_scep.php/1?"),
        ("/scep?b=%2F&a=1", "/scep?b=%2F&a=1&"),
        ("", "/cgi-bin/pkiclient.exe?"),
        ("/k\u00e4se", "/k%C3%A4se?"),
    ],
)
def test_get(path: str, target: str) -> None:
    message = b"\xfb\xff\xfe>"
    with RawServer(reply()) as server, transport() as send:
        url = f"http://127.0.0.1:{server.port}{path}"
        send(http.pki_operation(url, message, method=HttpMethod.GET))
    line, *lines = server.requests[0].decode().split("\r\n")
    assert line == f"GET {target}operation=PKIOperation&message=%2B%2F%2F%2BPg%3D%3D HTTP/1.1"
    assert not [line for line in lines if line.lower().startswith(("content-", "transfer-"))]


@pytest.mark.conforms("T-24")
@pytest.mark.parametrize("status", [204, 304, 400, 404, 500, 503])
def test_every_status_is_handed_on(status: int) -> None:
    body = b"" if status in (204, 304) else b"why"
    head = b"HTTP/1.1 %d Because\r\nX-One: 1\r\nX-One: 2\r\n" % status
    with RawServer(reply(body, head=head)) as server, transport() as send:
        response = send(get(server.url))
    assert (response.status, response.body) == (status, body)
    assert response.header("x-one") == "1, 2"


GZIPPED = gzip.compress(MESSAGE)


@pytest.mark.conforms("T-17", "T-29")
@pytest.mark.parametrize(
    "pieces",
    [
        [reply(MESSAGE)],
        [CHUNKED, b"2802\r\n", MESSAGE, b"\r\n0\r\n\r\n"],
        [CHUNKED, b"1;x=y\r\n0\r\n2801\r\n", MESSAGE[1:], b"\r\n0\r\nTrailer: x\r\n\r\n"],
        [
            OK,
            b"Content-Length: 99999\r\n",
            CHUNKED[len(OK) :],
            b"2802\r\n%s\r\n0\r\n\r\n" % MESSAGE,
        ],
        [OK + b"Connection: close\r\n\r\n", MESSAGE],
        [b"HTTP/1.0 200 OK\r\n\r\n", MESSAGE],
        [b"HTTP/1.1 100 Continue\r\n\r\n", reply(MESSAGE)],
        [OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(GZIPPED), GZIPPED],
        [OK + b"Content-Encoding: gzip\r\n\r\n", GZIPPED],
        [OK + b"Content-Encoding: Identity\r\n\r\n", MESSAGE],
    ],
)
def test_every_framing_is_read(pieces: list[bytes]) -> None:
    for session in (None, requests.Session()):
        with RawServer(sends(*pieces)) as server, transport(session=session) as send:
            assert send(get(server.url)).body == MESSAGE
        if session is not None:
            session.close()


def test_connection_is_kept() -> None:
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n0\x00\r\n0\r\n\r\n"
    for answer in (reply(), chunked, reply(b"")):
        with RawServer(answer) as server, transport() as send:
            for _ in range(5):
                send(get(server.url))
            assert server.connections == 1
            assert len(server.requests) == 5


def test_ipv6() -> None:
    try:
        listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listening, transport() as send, ThreadPoolExecutor(1) as executor:
        listening.settimeout(WAIT)

        def serve() -> None:
            with listening.accept()[0] as connection:
                connection.settimeout(WAIT)
                read_request(connection)
                connection.sendall(reply())

        served = executor.submit(serve)
        url = f"http://[::1]:{listening.getsockname()[1]}/scep"
        assert send(get(url)).body == b"0\x00"
        served.result(WAIT)


def test_threads_share_a_transport() -> None:
    # Each thread has its own message back: nothing of one exchange gets into another.
    def echo(connection: socket.socket) -> None:
        body = server.requests[-1].partition(b"\r\n\r\n")[2]
        connection.sendall(reply(body, head=OK + b"Connection: close\r\n"))

    def exchange(number: int) -> bool:
        message = b"0%d" % number
        request = http.pki_operation(server.url, message, method=HttpMethod.POST)
        return send(request).body == message

    with RawServer(echo) as server, transport() as send, ThreadPoolExecutor(8) as executor:
        assert all(executor.map(exchange, range(40)))


# -------------------------------------------------------------------------------------- redirects


@pytest.mark.conforms("T-26", "S-23")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", HttpMethod)
def test_redirect_is_not_followed(status: int, method: HttpMethod) -> None:
    head = b"HTTP/1.1 %d Moved\r\nContent-Type: text/html\r\n" % status
    location = b"Location: http://u:secret@other.example:81/p?operation=secret#secret\r\n"
    with RawServer(reply(b"moved", head=head + location)) as server, transport() as send:
        request = http.pki_operation(server.url, b"secret message", method=method)
        with pytest.raises(HttpError, match="which is not followed") as caught:
            send(request)
    error = checked(caught.value, server.url)
    assert str(error).startswith(f"{server.url} redirects to 'http://other.example:81/p', ")
    assert "secret" not in str(error)
    assert (error.status, error.content_type) == (status, "text/html")
    assert len(server.requests) == 1


@pytest.mark.conforms("T-26")
@pytest.mark.parametrize(
    "location",
    [b"", b"/other", b"?secret", b"http://[", b"//", b"http://h:x/", b"\xff\xfe", b"x" * 9000],
)
@pytest.mark.parametrize("own", [True, False])
def test_odd_redirects(location: bytes, own: bool) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: %s\r\n" % location
    session = None if own else requests.Session()
    error = failure(reply(head=head), expect=HttpError, session=session)
    assert error.status == 302
    assert len(str(error)) < 400
    assert "secret" not in str(error)
    if session is not None:
        session.close()


@pytest.mark.conforms("T-26", "T-29")
@pytest.mark.parametrize("own", [True, False])
def test_body_of_a_redirect_is_not_read(own: bool) -> None:
    session = None if own else requests.Session()
    endless = sends_for_ever(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", b"x" * 65536)
    assert failure(endless, expect=HttpError, session=session).status == 302
    if session is not None:
        session.close()


def test_redirect_without_target_is_handed_on() -> None:
    with RawServer(reply(head=b"HTTP/1.1 302 Found\r\n")) as server, transport() as send:
        assert send(get(server.url)).status == 302


# ------------------------------------------------------------------------------------------- size

LIMITS = Limits(message_size=10_000)
BOMB = gzip.compress(bytes(30_000_000))


@pytest.mark.conforms("T-29", "S-19")
@pytest.mark.parametrize(
    "script",
    [
        sends(reply(bytes(10_001))),
        sends(OK + b"\r\n" + bytes(3 * 1024 * 1024)),
        sends_for_ever(OK + b"\r\n", bytes(65536)),
        sends_for_ever(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"4\r\nxxxx\r\n" * 1000),
        sends_for_ever(b"HTTP/1.1 500 Error\r\n\r\n", bytes(65536)),
        sends(OK + b"Content-Encoding: gzip\r\n\r\n" + BOMB),
        sends(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB),
        # Few bytes of content in many bytes on the wire.
        sends_for_ever(
            OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 60_000 + b"\r\nx\r\n"
        ),
        sends_for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    ],
)
def test_too_large(script: Script) -> None:
    error = failure(script, expect=LimitExceeded, limits=LIMITS)
    assert error.limit == "message_size"


@pytest.mark.conforms("T-29")
def test_as_large_as_allowed() -> None:
    with RawServer(reply(bytes(10_000))) as server, transport(limits=LIMITS) as send:
        assert len(send(get(server.url)).body) == 10_000


@pytest.mark.conforms("T-29")
def test_too_large_for_a_session_of_the_caller() -> None:
    with requests.Session() as session:
        endless = sends_for_ever(OK + b"\r\n", bytes(65536))
        failure(endless, expect=LimitExceeded, limits=LIMITS, session=session)
        failure(
            sends(OK + b"Content-Encoding: gzip\r\n\r\n" + BOMB),
            expect=LimitExceeded,
            limits=LIMITS,
            session=session,
        )


@pytest.mark.conforms("T-29")
def test_nested_codings_are_refused() -> None:
    twice = gzip.compress(GZIPPED)
    error = failure(sends(OK + b"Content-Encoding: gzip, gzip\r\n\r\n" + twice))
    assert "is not what its Content-Encoding says" in str(error)


# ------------------------------------------------------------------------------------------- time


@pytest.mark.conforms("T-29")
@pytest.mark.parametrize(
    "script",
    [
        is_silent,
        drips(b""),
        drips(b"HTTP/1.1 200 OK\r\nX: "),
        drips(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drips(OK + b"\r\n"),
        drips(OK + b"Content-Length: 100000\r\n\r\n"),
        drips(CHUNKED, b"0"),
        drips(CHUNKED + b"1000\r\n"),
        drips(CHUNKED, b"1\r\nx\r\n"),
        drips(CHUNKED + b"0\r\n", b"X: y\r\n"),
        drips(OK + b"Content-Encoding: gzip\r\n\r\n" + GZIPPED[:10], GZIPPED[10:11]),
        # As fast as it goes, so that no read ever has to wait.
        sends_for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        sends_for_ever(CHUNKED, b"1\r\nx\r\n" * 100),
    ],
)
def test_total_timeout(script: Script) -> None:
    error = failure(script, timeout=0.2, limits=Limits(message_size=2**40))
    assert error.timed_out
    assert str(error).endswith(" did not answer in time.")


@pytest.mark.conforms("T-29")
@pytest.mark.parametrize(
    "options",
    [
        {"timeout": (0.2, 0.1)},
        {"timeout": WAIT, "total_timeout": 0.2},
        {"timeout": (WAIT, WAIT), "total_timeout": 0.2},
        {"timeout": (0.2, WAIT), "total_timeout": 0.2},
    ],
)
def test_the_shortest_timeout_decides(options: dict[str, Any]) -> None:
    for script in (is_silent, drips(OK + b"\r\n")):
        assert failure(script, **options).timed_out


@pytest.mark.conforms("T-29")
def test_pauses_within_the_timeouts() -> None:
    def script(connection: socket.socket) -> None:
        for piece in (OK, b"\r\n", b"0", b"\x00"):
            time.sleep(0.25)
            connection.sendall(piece)

    # Longer as a whole than the peer may be silent.
    with RawServer(script) as server, transport(timeout=0.8, total_timeout=WAIT) as send:
        assert send(get(server.url)).body == b"0\x00"


@pytest.mark.conforms("T-29")
@pytest.mark.parametrize(
    "script",
    [
        is_silent,
        drips(OK + b"\r\n"),
        drips(OK + b"Content-Length: 100000\r\n\r\n"),
        drips(CHUNKED + b"1000\r\n"),
        drips(CHUNKED, b"1\r\nx\r\n"),
    ],
)
def test_total_timeout_with_a_session_of_the_caller(script: Script) -> None:
    with requests.Session() as session:
        assert failure(script, timeout=0.2, session=session).timed_out


def test_time_is_for_each_exchange() -> None:
    with RawServer(reply()) as server, transport(timeout=1) as send:
        for _ in range(3):
            send(get(server.url))
            time.sleep(0.4)
        assert server.connections == 1


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"timeout": 0}, "timeout"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"timeout": (0, 1)}, "timeout"),
        ({"timeout": (1, 0)}, "timeout"),
        ({"timeout": 0, "total_timeout": 1}, "timeout"),
        ({"timeout": 1, "total_timeout": 0}, "total_timeout"),
        ({"timeout": (1, 1), "total_timeout": float("inf")}, "total_timeout"),
    ],
)
def test_impossible_timeouts(options: dict[str, Any], argument: str) -> None:
    with pytest.raises(UsageError, match="give a positive number of seconds") as caught:
        RequestsTransport(**options)
    assert caught.value.argument == argument


# ---------------------------------------------------------------------------------------- network


@pytest.mark.conforms("T-24", "C-17")
@pytest.mark.parametrize(
    ("script", "text"),
    [
        (sends(), "closed the connection without an answer."),
        (resets, "broke the connection off."),
        (sends(b"SSH-2.0-OpenSSH_9.2\r\n"), "did not answer in HTTP."),
        (sends(b"\x15\x03\x01\x00\x02\x02F"), "did not answer in HTTP."),
        (sends(OK + b"X: " + b"x" * 70_000), "did not answer in HTTP."),
        (sends(OK, b"X: y\r\n" * 101, b"\r\n"), "did not answer in HTTP."),
        (sends(b"HTTP/1.1 abc\r\n\r\n"), "did not answer in HTTP."),
    ],
)
def test_no_answer(script: Script, text: str) -> None:
    error = failure(script)
    assert str(error).endswith(" " + text)
    assert not error.timed_out


@pytest.mark.conforms("T-24", "T-29")
@pytest.mark.parametrize(
    "pieces",
    [
        [OK + b"Content-Length: 100\r\n\r\n"],
        [OK + b"Content-Length: 100\r\n\r\n", bytes(99)],
        [CHUNKED],
        [CHUNKED, b"64\r\n"],
        [CHUNKED, b"64\r\n", bytes(99)],
        [CHUNKED, b"1\r\nx\r\n"],
        [CHUNKED, b"xyz\r\n"],
        [CHUNKED, b"-5\r\n", bytes(99)],
        [OK + b"Content-Encoding: gzip\r\nContent-Length: 100\r\n\r\n", GZIPPED[:50]],
    ],
)
@pytest.mark.parametrize("own", [True, False])
def test_truncated_body(pieces: list[bytes], own: bool) -> None:
    session = None if own else requests.Session()
    error = failure(sends(*pieces), session=session)
    assert str(error).endswith(" broke the connection off before the response was complete.")
    assert not error.timed_out
    if session is not None:
        session.close()


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b"Content-Encoding: gzip\r\n", "is not what its Content-Encoding says."),
        (b"Content-Length: 3\r\nContent-Length: 4\r\n", "such HTTP headers."),
    ],
)
def test_body_that_is_not_what_the_headers_say(head: bytes, text: str) -> None:
    assert str(failure(sends(OK + head + b"\r\n", b"no gzip"))).endswith(text)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/scep"
    with transport() as send, pytest.raises(TransportError) as caught:
        send(get(url))
    assert str(checked(caught.value, url)) == f"{url} refused the connection."
    assert not caught.value.timed_out


def test_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    url = "http://ca.invalid/scep"
    with transport() as send, pytest.raises(TransportError) as caught:
        send(get(url))
    error = checked(caught.value, url)
    assert str(error) == f"{url} could not be reached, as its host name is not known."


@pytest.mark.conforms("S-23")
@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("file:///etc/passwd", "the URL is malformed."),
        ("/scep", "the URL is malformed."),
        ("http://[::1", "the URL is malformed."),
        ("http://*.example/", "the URL is malformed."),
        (f"http://{'x' * 70}.example/", "the URL is malformed."),
        (f"http://\u00e4{'x' * 70}.example/", "the URL is malformed."),
        ("http://127.0.0.1:99999/", "the URL is malformed."),
    ],
)
def test_url_that_requests_does_not_take(url: str, text: str) -> None:
    with transport() as send, pytest.raises(TransportError, match=text) as caught:
        send(HttpRequest(method="GET", url=url))
    checked(caught.value, url)


def test_header_that_requests_does_not_take() -> None:
    request = HttpRequest(method="GET", url="http://127.0.0.1/", headers=(("X", "a\r\nb"),))
    with transport() as send, pytest.raises(TransportError, match="such HTTP headers"):
        send(request)


def test_error_while_another_is_handled() -> None:
    """What the caller was doing has nothing to do with the network."""
    with RawServer(sends()) as server, transport() as send:
        try:
            raise TimeoutError
        except TimeoutError:
            with pytest.raises(TransportError, match="without an answer") as caught:
                send(get(server.url))
    assert not caught.value.timed_out


class Fake(adapters.BaseAdapter):
    """Answers for requests, without any network."""

    def __init__(self, act: Callable[[requests.PreparedRequest], requests.Response]) -> None:
        super().__init__()
        self.act = act

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        return self.act(request)

    def close(self) -> None:
        """Close nothing."""


def faked(act: Callable[[requests.PreparedRequest], requests.Response]) -> requests.Session:
    session = requests.Session()
    session.mount("http://", Fake(act))
    return session


POOL = cast("Any", None)


@pytest.mark.parametrize(
    ("error", "text", "timed_out"),
    [
        (exceptions.ProxyError(), "through the proxy", False),
        (exceptions.ConnectTimeout(), "did not answer in time", True),
        (urllib3.exceptions.ReadTimeoutError(POOL, "/", "x"), "did not answer in time", True),
        (exceptions.ConnectionError(TimeoutError()), "did not answer in time", True),
        (exceptions.SSLError(), "by TLS", False),
        (urllib3.exceptions.NewConnectionError(POOL, "x"), "could not be reached", False),
        (exceptions.ConnectionError("refused by a policy"), "could not be talked to", False),
        (exceptions.TooManyRedirects(), "could not be talked to", False),
        (urllib3.exceptions.HTTPError(), "could not be talked to", False),
        (BrokenPipeError(), "broke the connection off", False),
        (OSError(), "could not be talked to", False),
        (UnicodeError(), "the URL is malformed", False),
        (ValueError("I/O operation on closed file"), "could not be talked to", False),
    ],
)
def test_other_errors_of_requests(error: Exception, text: str, timed_out: bool) -> None:
    def act(request: requests.PreparedRequest) -> requests.Response:
        raise error

    with transport(session=faked(act)) as send, pytest.raises(TransportError) as caught:
        send(get("http://ca.example/scep"))
    assert str(checked(caught.value, "http://ca.example/scep")).endswith(f" {text}.")
    assert caught.value.timed_out is timed_out


# --------------------------------------------------------------------------------------- sessions


def answer(raw: object, **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code = 200
    response.raw = raw
    response.headers.update(headers)
    return response


def test_adapter_of_the_caller() -> None:
    """What stands in for the network may have any file as its body."""
    session = faked(lambda _: answer(io.BytesIO(MESSAGE)))
    with transport(session=session) as send:
        assert send(get("http://ca.example/scep")).body == MESSAGE
    session = faked(
        lambda _: answer(urllib3.HTTPResponse(io.BytesIO(MESSAGE), preload_content=False))
    )
    with transport(session=session) as send:
        assert send(get("http://ca.example/scep")).body == MESSAGE


@pytest.mark.conforms("T-24")
def test_truncation_is_found_without_the_help_of_urllib3() -> None:
    def cut(encoding: str) -> requests.Response:
        body = urllib3.HTTPResponse(
            io.BytesIO(b"12345"), preload_content=False, enforce_content_length=False
        )
        return answer(body, **{"Content-Length": "6", "Content-Encoding": encoding})

    for raw in (
        lambda _: cut(""),
        lambda _: cut("identity"),
        lambda _: answer(io.BytesIO(b"12345"), **{"Content-Length": "6"}),
    ):
        complete = pytest.raises(TransportError, match="before the response was complete")
        with transport(session=faked(raw)) as send, complete:
            send(get("http://ca.example/scep"))


def test_session_of_the_caller_is_used_as_it_is() -> None:
    with requests.Session() as session:
        session.headers["X-Mine"] = "1"
        session.auth = ("user", "password")
        seen: list[int] = []
        session.hooks["response"].append(lambda r, *_, **__: seen.append(r.status_code))
        with RawServer(reply()) as server:
            with RequestsTransport(timeout=WAIT, session=session) as send:
                send(get(server.url))
            # Still open: the connection is used again.
            assert session.get(server.url, timeout=WAIT).content == b"0\x00"
            assert server.connections == 1
        assert seen == [200, 200]
        assert b"X-Mine: 1\r\n" in server.requests[0]
        assert b"Authorization: Basic " in server.requests[0]


def test_proxy_of_the_caller() -> None:
    with RawServer(reply()) as proxy, requests.Session() as session:
        session.proxies = {"http": f"http://127.0.0.1:{proxy.port}"}
        with transport(session=session) as send:
            send(http.get_ca_caps("http://ca.example/scep"))
    assert proxy.requests[0].startswith(b"GET http://ca.example/scep?operation=GetCACaps HTTP/1.1")


@pytest.mark.conforms("S-23")
def test_nothing_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with RawServer(reply()) as server, RawServer(reply()) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        with transport() as send:
            send(get(server.url))
        assert proxy.requests == []
        assert b"authorization" not in server.requests[0].lower()
        # The same through a session that listens to the environment, so this test can fail.
        with requests.Session() as session, transport(session=session) as send:
            send(get(server.url))
        assert len(proxy.requests) == 1


def test_own_session_is_closed() -> None:
    with RawServer(reply()) as server:
        with transport() as send:
            send(get(server.url))
        # It can be used again all the same, over a new connection.
        assert send(get(server.url)).status == 200
        assert server.connections == 2
        send.close()


# -------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a certificate for 127.0.0.1 and its key."""
    key = keys.rsa(7)
    name = extensions.GeneralName.ip("127.0.0.1")
    issued = keys.certify(
        "CN=127.0.0.1",
        key=key,
        ca=True,
        usages=keys.EVERYTHING,
        extra=[extensions.subject_alt_name([name])],
    ).certificate
    provider = keys.provider()
    assert isinstance(provider, OscryptoProvider)
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(issued.pem().encode() + provider.dump_private_key(key))
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.conforms("T-30")
def test_tls(tls: ssl.SSLContext, certificate: Path) -> None:
    with RawServer(reply(MESSAGE), tls=tls) as server, requests.Session() as session:
        session.verify = str(certificate)
        with transport(session=session) as send:
            assert send(get(server.url)).body == MESSAGE


def test_a_private_ca_for_tls(tls: ssl.SSLContext, certificate: Path) -> None:
    with (
        RawServer(reply(MESSAGE), tls=tls) as server,
        transport(tls_ca=certificate) as send,
    ):
        assert send(get(server.url)).body == MESSAGE


def test_a_file_that_is_no_ca_for_tls(tmp_path: Path, certificate: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.pem cannot be used .*: No such file") as caught:
        RequestsTransport(timeout=1, tls_ca=tmp_path / "missing.pem")
    assert caught.value.argument == "tls_ca"
    (tmp_path / "empty.pem").touch()
    with pytest.raises(UsageError, match="it has no certificates in PEM"):
        RequestsTransport(timeout=1, tls_ca=str(tmp_path / "empty.pem"))
    with requests.Session() as session, pytest.raises(UsageError, match=r"set session\.verify"):
        RequestsTransport(timeout=1, tls_ca=certificate, session=session)


def test_untrusted_certificate(tls: ssl.SSLContext) -> None:
    refused = pytest.raises(TransportError, match=r"its TLS certificate is refused \(self.signed")
    with RawServer(reply(), tls=tls) as server, transport() as send, refused as caught:
        send(get(server.url))
    checked(caught.value, server.url)
    assert server.requests == []


def test_no_tls_there() -> None:
    with RawServer(reply()) as server, transport() as send:
        url = server.url.replace("http://", "https://")
        with pytest.raises(TransportError, match=r"could not be reached by TLS\.") as caught:
            send(get(url))
    checked(caught.value, url)


@pytest.mark.conforms("T-29")
def test_total_timeout_over_tls(tls: ssl.SSLContext, certificate: Path) -> None:
    for start in (b"HTTP/1.1 200 OK\r\nX: ", OK + b"\r\n"):
        with (
            RawServer(drips(start), tls=tls) as server,
            transport(timeout=0.5) as send,
            within(SOON),
        ):
            send._session.verify = str(certificate)
            with pytest.raises(TransportError, match="did not answer in time") as caught:
                send(get(server.url))
        assert caught.value.timed_out


def test_handshake_without_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, transport(timeout=0.2) as send:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/scep"
        with within(SOON), pytest.raises(TransportError) as caught:
            send(get(url))
    assert checked(caught.value, url).timed_out


def test_a_transport_is_a_function() -> None:
    with RawServer(reply()) as server, transport() as send:
        function: Callable[[HttpRequest], HttpResponse] = send
        assert function(get(server.url)).status == 200
