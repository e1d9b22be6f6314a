"""HTTP by requests: the only module that imports it.

One request, one response; no retry, no redirect, nothing from the environment. What goes wrong in
the network becomes a :class:`~pyscep.errors.TransportError` here and nowhere else.
"""

from __future__ import annotations

import io
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass

# What requests reads responses with; it is the one who does HTTP.
from http.client import HTTPException, IncompleteRead, RemoteDisconnected  # noqa: TID251  # as said
from http.client import HTTPResponse as _HTTPResponse  # noqa: TID251  # as said
from types import TracebackType
from typing import Any

import requests
import urllib3
from requests import adapters, exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection

from pyscep.errors import HttpError, LimitExceeded, TransportError, UsageError
from pyscep.http import HttpRequest, HttpResponse
from pyscep.limits import DEFAULT_LIMITS, Limits

_CHUNK = 8 * 1024
_LONGEST = 1e9
"""Seconds; what is longer does not fit into every operating system's timer."""


class RequestsTransport:
    """Sends an :class:`~pyscep.http.HttpRequest` by requests.

    Without a session of the caller's it has its own. That one knows no proxy, no ``.netrc`` and no
    bundle of certificates from the environment, asks for no compression, and holds *total_timeout*
    against servers that send drop by drop. Only looking the host's name up is up to the system.

    It may be shared between threads as far as its session may; its own may.

    Source: T-16, T-18, T-24, T-26, T-29, S-23, X-10.
    """

    def __init__(
        self,
        *,
        timeout: float | tuple[float, float],
        total_timeout: float | None = None,
        session: requests.Session | None = None,
        tls_ca: str | os.PathLike[str] | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Prepare a transport; nothing is sent.

        :param timeout: seconds for connecting to one of the host's addresses, and seconds that the
            peer may be silent; a pair if the two differ.
        :param total_timeout: seconds for one exchange as a whole; *timeout*, or the sum of the
            pair, if left out.
        :param session: the caller's own, with its proxies, TLS settings, credentials and adapters;
            it is used as it is and not closed. With it, *total_timeout* is looked at whenever some
            of the body arrives.
        :param tls_ca: a PEM file with the CA certificates that a server at an https URL is known
            by, instead of those that come with requests; for a private CA.
        :raises UsageError: a timeout is not a positive number of seconds, the file of *tls_ca*
            cannot be used, or there is a *session*, which has TLS settings of its own.
        """
        connect, silent = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        total = connect + silent if isinstance(timeout, tuple) else timeout
        if total_timeout is not None:
            total = _seconds(total_timeout, "total_timeout")
        self._timeout = (
            min(_seconds(connect, "timeout"), total),
            min(_seconds(silent, "timeout"), total),
        )
        self._total_timeout = total
        self._limits = limits
        self._owned = session is None
        self._session = _own_session() if session is None else session
        if tls_ca is not None:
            _check_tls_ca(tls_ca, session)
            self._session.verify = os.fspath(tls_ca)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Send *request* and return the whole response, whatever its status.

        :raises TransportError: the network failed, or the time ran out.
        :raises HttpError: a redirect; whoever wants to follow it changes the URL.
        :raises LimitExceeded: the body is larger than ``limits.message_size``.

        Source: T-16, T-24, T-26, T-29.
        """
        budget = _Budget(
            deadline=time.monotonic() + self._total_timeout,
            # Chunks of one byte cost six; the rest is for headers.
            octets=8 * self._limits.message_size + 256 * 1024,
        )
        token = _budget.set(budget)
        try:
            return self._exchange(request, budget)
        except (
            exceptions.RequestException,
            urllib3.exceptions.HTTPError,
            HTTPException,
            OSError,
            # requests and the libraries below it let some through for odd URLs and headers.
            ValueError,
        ) as error:
            failure = _transport_error(error, request.address)
        finally:
            _budget.reset(token)
        # Not where it was caught: those errors hold the whole URL, and a GET's has the message.
        raise failure

    def close(self) -> None:
        """Close the connections of its own session."""
        if self._owned:
            self._session.close()

    def __enter__(self) -> RequestsTransport:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _exchange(self, request: HttpRequest, budget: _Budget) -> HttpResponse:
        prepared: Any = self._session.prepare_request(
            requests.Request(
                request.method,
                request.url,
                headers=dict(request.headers),
                # Bytes: with an iterator requests would send chunks, which IIS refuses (T-16).
                data=request.body or None,
            )
        )
        # As a hook, since requests reads the whole body of a redirect even if it does not follow.
        prepared.register_hook("response", _refuse_redirect)
        settings = self._session.merge_environment_settings(
            prepared.url, {}, stream=True, verify=None, cert=None
        )
        with self._session.send(
            prepared, timeout=self._timeout, allow_redirects=False, **settings
        ) as response:
            body = self._read(response, request.address, budget.deadline)
            headers = tuple(response.headers.items())
            return HttpResponse(status=response.status_code, headers=headers, body=body)

    def _read(self, response: requests.Response, address: str, deadline: float) -> bytes:
        body = bytearray()
        for piece in _pieces(response):
            body += piece
            self._limits.check(
                "message_size", len(body), what=f"The response of {address} is longer"
            )
            if time.monotonic() > deadline:
                raise TimeoutError
        missing = _announced(response) - len(body)
        if missing > 0:
            raise IncompleteRead(b"", missing)
        return bytes(body)


def _seconds(value: float, argument: str) -> float:
    if not 0 < value < _LONGEST:
        raise UsageError(
            f"A timeout of {value} is not possible; give a positive number of seconds.",
            argument=argument,
        )
    return value


def _check_tls_ca(path: str | os.PathLike[str], session: requests.Session | None) -> None:
    if session is not None:
        raise UsageError(
            "A session of one's own has its TLS settings already; set session.verify instead of "
            "tls_ca.",
            argument="tls_ca",
        )
    # Later, requests would blame the network.
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        problem = "it has no certificates in PEM"
    except OSError as error:
        problem = error.strerror or "it cannot be read"
    else:
        return
    raise UsageError(
        f"{os.fspath(path)} cannot be used to recognise TLS servers: {problem}.", argument="tls_ca"
    )


def _coding(response: requests.Response) -> str:
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    return "" if coding == "identity" else coding


def _announced(response: requests.Response) -> int:
    """Return the Content-Length: old versions of urllib3 take a body that was cut for a whole."""
    length = response.headers.get("Content-Length", "")
    counts = not _coding(response) and "Transfer-Encoding" not in response.headers
    return int(length) if length.isdecimal() and counts else 0


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """Yield the decoded body as it arrives, without waiting until a piece is full."""
    if "," in _coding(response):
        # Each coding may blow the body up a thousandfold.
        raise exceptions.ContentDecodingError
    raw = response.raw
    if isinstance(raw, urllib3.HTTPResponse) and hasattr(raw, "read1"):
        while piece := raw.read1(_CHUNK, decode_content=True):
            yield piece
    else:
        yield from response.iter_content(_CHUNK)


def _refuse_redirect(response: requests.Response, *_: object, **__: object) -> None:
    # A followed redirect could turn POST into GET, change the host or leave https (T-26).
    if not response.is_redirect:
        return
    response.close()
    sent = HttpRequest(method="", url=response.request.url or "")
    target = HttpRequest(method="", url=response.headers["Location"][:200])
    raise HttpError(
        f"{sent.address} redirects to {target.address!r}, which is not followed; if that is right, "
        "use it as the URL.",
        status=response.status_code,
        content_type=response.headers.get("Content-Type"),
    )


# ------------------------------------------------------------------------------------ own session


@dataclass(slots=True)
class _Budget:
    """What is left for one exchange."""

    deadline: float
    octets: int


_budget: ContextVar[_Budget] = ContextVar("_budget")


class _BudgetReader(io.RawIOBase):
    """Reads a socket within the budget of the exchange.

    A timeout of requests, as one of the socket, is for each read: a server that sends a byte now
    and then, or headers without end, would never reach it.
    """

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw
        self._left = _budget.get()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401  # typing.Buffer: Python 3.12
        left = self._left.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        silent = self._sock.gettimeout()
        self._sock.settimeout(left if silent is None else min(left, silent))
        try:
            count = self._raw.readinto(buffer)
        finally:
            self._sock.settimeout(silent)
        self._left.octets -= count or 0
        if self._left.octets < 0:
            raise LimitExceeded(
                "The response is padded with far more bytes than Limits.message_size allows; ask "
                "the server's administrator.",
                limit="message_size",
            )
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BudgetResponse(_HTTPResponse):
    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp = io.BufferedReader(_BudgetReader(sock, self.fp.detach()))


class _HttpConnection(HTTPConnection):
    response_class = _BudgetResponse


class _HttpsConnection(HTTPSConnection):
    response_class = _BudgetResponse


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


def _own_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.headers.update({"User-Agent": "pyscep", "Accept-Encoding": "identity"})
    adapter: Any = adapters.HTTPAdapter()
    adapter.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


# ----------------------------------------------------------------------------------------- errors

_TOO_LATE = (TimeoutError, exceptions.Timeout, urllib3.exceptions.TimeoutError)

# The first row that fits decides. "Closed without an answer" is how old NDES says that it has no
# capabilities (C-17).
_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((exceptions.ProxyError,), "could not be reached through the proxy"),
    ((socket.gaierror,), "could not be reached, as its host name is not known"),
    ((ConnectionRefusedError,), "refused the connection"),
    ((ssl.SSLCertVerificationError,), "could not be reached, as its TLS certificate is refused"),
    ((ssl.SSLError, exceptions.SSLError), "could not be reached by TLS"),
    ((urllib3.exceptions.NewConnectionError,), "could not be reached"),
    (_TOO_LATE, "did not answer in time"),
    ((RemoteDisconnected,), "closed the connection without an answer"),
    (
        (IncompleteRead, exceptions.ChunkedEncodingError),
        "broke the connection off before the response was complete",
    ),
    ((HTTPException,), "did not answer in HTTP"),
    ((ConnectionError,), "broke the connection off"),
    (
        (exceptions.ContentDecodingError, urllib3.exceptions.DecodeError),
        "sent a body that is not what its Content-Encoding says",
    ),
    ((exceptions.InvalidHeader,), "cannot be talked to with such HTTP headers"),
    (
        (
            exceptions.MissingSchema,
            exceptions.InvalidSchema,
            exceptions.InvalidURL,
            urllib3.exceptions.LocationValueError,
            UnicodeError,
        ),
        "cannot be sent to, as the URL is malformed",
    ),
    ((BaseException,), "could not be talked to"),
)


def _transport_error(error: Exception, address: str) -> TransportError:
    """Map an error of requests, or of what is below it, by its type and its causes' types."""
    causes = _causes(error)
    kinds, what = next(
        row for row in _REASONS if any(isinstance(cause, row[0]) for cause in causes)
    )
    details = (getattr(cause, "verify_message", "") for cause in causes)
    detail = next(
        (
            f" ({text}); if its CA is a private one, name that with tls_ca="
            for text in details
            if text
        ),
        "",
    )
    return TransportError(f"{address} {what}{detail}.", url=address, timed_out=kinds is _TOO_LATE)


def _causes(error: Exception) -> list[BaseException]:
    # Not __context__: that may lead to an error that the caller was already handling.
    found: list[BaseException] = [error]
    for one in found:
        inner = (*one.args, getattr(one, "reason", None), one.__cause__)
        found += [cause for cause in inner if isinstance(cause, BaseException)]
    return found
