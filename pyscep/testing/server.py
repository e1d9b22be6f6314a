"""A SCEP server on loopback: the responder behind the standard library's HTTP server."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, TypeVar

from pyscep.errors import HttpError
from pyscep.http import HttpRequest, HttpResponse
from pyscep.http_server import error_response
from pyscep.limits import DEFAULT_LIMITS, Limits

Handle = Callable[[HttpRequest], HttpResponse]
T = TypeVar("T", bound="ScepServer")

_DRIP_INTERVAL = 0.1
"""Seconds between two bytes of a slow answer."""


_MOST_DIGITS = 18
"""In the length of a body or chunk."""
_LONGEST_LINE = 1024
"""Bytes of the line before a chunk, or of a trailer."""


class Wire(Enum):
    """How an answer is put on the wire, if not in the usual way."""

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

    Source: T-17, T-19, T-20, T-21, T-28, T-29, T-33.
    """

    def __init__(
        self,
        handle: Handle,
        *,
        path: str = "/scep",
        port: int = 0,
        limits: Limits = DEFAULT_LIMITS,
        timeout: float = 30.0,
        wire: Callable[[HttpRequest], Wire | None] = lambda _: None,
    ) -> None:
        """Bind the port; nothing is answered before :meth:`start`.

        :param handle: usually ``responder.handle``.
        :param path: what :attr:`url` ends in; any path is answered.
        :param port: 0 for any free one.
        :param timeout: seconds that a connection may be silent, and that a body may take.
        :param wire: asked before each answer how to send it.
        """
        self.handle = handle
        self.log: list[LogEntry] = []
        self.errors: list[BaseException] = []
        self.limits = limits
        self.timeout = timeout
        self.wire = wire
        self._path = path
        self._http = _HttpServer(("127.0.0.1", port), _RequestHandler)
        self._http.scep = self
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
        """Stop answering, hang up, and free the port."""
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.server_close()
        self._http.hang_up()

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
            response = error_response(HttpError("An error inside.", status=500))
        self.log.append(LogEntry(request=request, response=response))
        return response


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    scep: ScepServer

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without asking the name service what this machine is called."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Take note of the connection."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:  # noqa: ANN401
        """Forget the connection."""
        with self._lock:
            self._open.discard(request)
        super().close_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep alive, and with them their threads."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about clients that hang up, which is their right, but about nothing else."""
        del request, client_address
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.scep.errors.append(error)


class _BodyRefused(Exception):
    """The body will not be read; says which status to answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Buffered writing: else headers and body go out apart, and each reply waits 40 ms.
    wbufsize = -1
    server: _HttpServer

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.scep.timeout)

    def version_string(self) -> str:
        return "pyscep"

    def __getattr__(self, name: str) -> Callable[[], None]:
        # http.server looks for do_GET and the like; the responder knows which methods there are.
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        try:
            body = self._read_body()
        except _BodyRefused as refusal:
            self.send_error(refusal.status)
            return
        request = HttpRequest(
            method=self.command, url=self.path, headers=tuple(self.headers.items()), body=body
        )
        response = self.server.scep.answer(request)
        wire = self.server.scep.wire(request)
        if wire is None:
            self._send(response)
        else:
            self._send_oddly(wire, response)

    def _send(self, response: HttpResponse) -> None:
        self._send_headers(response)
        if response.header("Content-Length") is None:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def _send_headers(self, response: HttpResponse) -> None:
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what never reaches the responder, as the responder would."""
        del message, explain  # they quote the request
        self.close_connection = True
        # What was not understood is taken for HTTP/0.9, which has no headers.
        self.request_version = self.protocol_version
        refusal = error_response(HttpError("Not a request for SCEP.", status=int(code)))
        self._send(replace(refusal, headers=(*refusal.headers, ("Connection", "close"))))

    def handle_expect_100(self) -> bool:
        """Ask for the body at once: what is written waits in a buffer otherwise."""
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def _send_oddly(self, wire: Wire, response: HttpResponse) -> None:
        """Send an answer in one of the ways that only tests use."""
        self.close_connection = wire is not Wire.CHUNKED
        if wire is Wire.CLOSED:
            return
        self._send_headers(response)
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
        self.wfile.flush()

    # --------------------------------------------------------------------------- reading the body

    def _read_body(self) -> bytes:
        self._deadline = time.monotonic() + self.server.scep.timeout
        encodings = self.headers.get_all("Transfer-Encoding", [])
        lengths = self.headers.get_all("Content-Length", [])
        if encodings:
            if [encoding.strip().lower() for encoding in encodings] != ["chunked"]:
                raise _BodyRefused(501)
            return self._read_chunks()
        if not lengths:
            return b""
        # Two that differ are how requests are smuggled past a proxy.
        if len(set(lengths)) > 1 or not (lengths[0].isascii() and lengths[0].isdecimal()):
            raise _BodyRefused(400)
        # Not made a number yet: Python refuses to read very long ones.
        if len(lengths[0]) > _MOST_DIGITS:
            raise _BodyRefused(413)
        self._check_size(int(lengths[0]))
        return self._read(int(lengths[0]))

    def _read_chunks(self) -> bytes:
        body = b""
        while True:
            size = self._read_chunk_size()
            self._check_size(len(body) + size)
            if size == 0:
                break
            body += self._read(size)
            if self._read_line() != b"":
                raise _BodyRefused(400)
        # Trailers say nothing that is needed here.
        while self._read_line() != b"":
            pass
        return body

    def _read_chunk_size(self) -> int:
        digits = self._read_line().partition(b";")[0].strip()
        if not 1 <= len(digits) <= _MOST_DIGITS or digits.strip(b"0123456789abcdefABCDEF"):
            raise _BodyRefused(400)
        return int(digits, 16)

    def _read_line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            line += self._read(1)
            if len(line) > _LONGEST_LINE:
                raise _BodyRefused(400)
        return line.rstrip(b"\r\n")

    def _read(self, size: int) -> bytes:
        """Read exactly that much, but not for ever."""
        pieces = []
        while size:
            try:
                piece = self.rfile.read1(size)
            except TimeoutError:
                raise _BodyRefused(408) from None
            if not piece:
                raise _BodyRefused(400)
            if time.monotonic() > self._deadline:
                raise _BodyRefused(408)
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _check_size(self, size: int) -> None:
        if size > self.server.scep.limits.message_size:
            raise _BodyRefused(413)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by its base
        """Write nothing to stderr; the server keeps its own log."""
