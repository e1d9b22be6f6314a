"""A SCEP server on loopback: the responder behind the standard library's HTTP server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TypeVar

from pyscep.http import HttpRequest, HttpResponse
from pyscep.limits import DEFAULT_LIMITS, Limits

Handle = Callable[[HttpRequest], HttpResponse]
T = TypeVar("T", bound="ScepServer")

_DRIP_INTERVAL = 0.1
"""Seconds between two bytes of a slow answer."""
_BODY_TIMEOUT = 30.0
"""Seconds that a connection may be silent; no test has to wait so long, and none hangs."""


class Wire(Enum):
    """How the answer to a PKIOperation is put on the wire, if not as it should be."""

    CHUNKED = "chunked"
    """In chunks, which is legal."""
    SLOW = "slow"
    """A byte every tenth of a second."""
    CLOSED = "closed"
    """Not at all: the connection is closed."""
    CUT = "cut"
    """Half of it: the connection is closed then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One request that came in, and what was answered."""

    request: HttpRequest
    """The request."""
    response: HttpResponse
    """The response."""


class ScepServer:
    """An HTTP server on 127.0.0.1 that answers with ``responder.handle``.

    Use it as a context manager, or :meth:`start` and :meth:`stop` it. ``log`` has every exchange;
    :meth:`check` raises what went wrong inside, which a client only sees as status 500.

    Source: T-17, T-19, T-28, T-29, T-33.
    """

    def __init__(
        self,
        handle: Handle,
        *,
        path: str = "/scep",
        port: int = 0,
        limits: Limits = DEFAULT_LIMITS,
        wire: Callable[[], Wire | None] = lambda: None,
    ) -> None:
        """Bind the port; nothing is answered before :meth:`start`.

        :param handle: usually ``responder.handle``.
        :param path: what :attr:`url` ends in; any path is answered.
        :param port: 0 for any free one.
        :param wire: asked before each answer to a PKIOperation how to send it.
        """
        self.handle = handle
        self.log: list[LogEntry] = []
        self.errors: list[BaseException] = []
        self.wire = wire
        self._path = path
        self._http = _HttpServer(("127.0.0.1", port), _RequestHandler)
        self._http.scep = self
        self._http.limits = limits
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"http://127.0.0.1:{self._http.server_address[1]}{self._path}"

    def start(self: T) -> T:
        """Answer from now on, in threads of its own."""
        # Short, as stopping waits for one interval.
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and free the port."""
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.server_close()

    def __enter__(self: T) -> T:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def reset(self) -> None:
        """Forget the log and the errors."""
        self.log.clear()
        self.errors.clear()

    def check(self) -> None:
        """Raise the first error that answering a request ended in.

        :raises BaseException: that error.
        """
        if self.errors:
            raise self.errors[0]

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer one request and keep it in the log."""
        try:
            response = self.handle(request)
        except Exception as error:  # noqa: BLE001  # kept for check(); the client gets a bare 500
            self.errors.append(error)
            body = b"internal error\n"
            response = HttpResponse(
                status=500, headers=(("Content-Type", "text/plain"),), body=body
            )
        self.log.append(LogEntry(request=request, response=response))
        return response


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    scep: ScepServer
    limits: Limits

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about clients that hang up; it is their right, and tests do it."""


class _BodyRefused(Exception):
    """The body will not be read; says which status to answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "pyscep"
    sys_version = ""
    # Buffered writing: else headers and body go out apart, and each reply waits 40 ms.
    wbufsize = -1
    timeout = _BODY_TIMEOUT
    server: _HttpServer

    def _answer(self) -> None:
        try:
            body = self._read_body()
        except _BodyRefused as refusal:
            self.close_connection = True
            self.send_error(refusal.status)
            return
        request = HttpRequest(
            method=self.command, url=self.path, headers=tuple(self.headers.items()), body=body
        )
        response = self.server.scep.answer(request)
        wire = self.server.scep.wire() if "operation=GetCA" not in self.path else None
        if wire is not None:
            self._send_oddly(wire, response)
            return
        self.send_response(response.status)
        names = set()
        for name, value in response.headers:
            self.send_header(name, value)
            names.add(name.lower())
        if "content-length" not in names:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def _send_oddly(self, wire: Wire, response: HttpResponse) -> None:
        """Send an answer in one of the ways that only tests use."""
        self.close_connection = True
        if wire is Wire.CLOSED:
            return
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        if wire is Wire.CHUNKED:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._write_chunks(response.body)
            return
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.flush()
        if wire is Wire.CUT:
            self.wfile.write(response.body[: len(response.body) // 2])
            return
        for octet in response.body:
            self.wfile.write(bytes((octet,)))
            self.wfile.flush()
            time.sleep(_DRIP_INTERVAL)

    def _write_chunks(self, body: bytes) -> None:
        for start in range(0, len(body), 1000):
            chunk = body[start : start + 1000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    # The names that http.server looks for.
    do_GET = do_POST = do_HEAD = do_PUT = _answer  # noqa: N815
    do_DELETE = do_OPTIONS = do_PATCH = _answer  # noqa: N815

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower().strip() == "chunked":
            return self._read_chunks()
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdecimal()):
            raise _BodyRefused(400)
        self._check_size(int(length))
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            raise _BodyRefused(400)
        return body

    def _read_chunks(self) -> bytes:
        body = b""
        while True:
            line = self.rfile.readline(64).split(b";")[0].strip()
            try:
                size = int(line, 16)
            except ValueError:
                raise _BodyRefused(400) from None
            if size < 0:
                raise _BodyRefused(400)
            self._check_size(len(body) + size)
            body += self.rfile.read(size)
            self.rfile.readline(64)
            if size == 0:
                return body

    def _check_size(self, size: int) -> None:
        if size > self.server.limits.message_size:
            raise _BodyRefused(413)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by its base
        """Write nothing to stderr; the server keeps its own log."""
