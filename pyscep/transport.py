"""HTTP by requests: the only module that imports it.

One request, one response; no retry, no redirect, nothing from the environment. What goes wrong in
the network becomes a :class:`~pyscep.errors.TransportError` here and nowhere else.
"""

from __future__ import annotations

import time
from types import TracebackType

import requests
import urllib3
from requests import exceptions

from pyscep.errors import HttpError, LimitExceeded, TransportError, UsageError
from pyscep.http import HttpRequest, HttpResponse
from pyscep.limits import DEFAULT_LIMITS, Limits

_CHUNK = 64 * 1024


class RequestsTransport:
    """Sends an :class:`~pyscep.http.HttpRequest` by requests.

    Safe to share between threads as far as the session is; a session of its own is.

    Source: T-16, T-18, T-24, T-26, T-29, S-23.
    """

    def __init__(
        self,
        *,
        timeout: float,
        session: requests.Session | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Prepare a transport.

        :param timeout: seconds that one exchange may take as a whole, and that the peer may be
            silent.
        :param session: the caller's own, with its proxies, TLS settings and adapters; it is used
            as it is and not closed. Without one, a session that ignores the environment's proxies
            and credentials.
        :raises UsageError: *timeout* is not positive.
        """
        if not timeout > 0:
            raise UsageError(
                "The timeout must be a positive number of seconds.", argument="timeout"
            )
        self._timeout = timeout
        self._limits = limits
        self._owned = session is None
        self._session = _own_session() if session is None else session

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Send *request* and return the whole response.

        :raises TransportError: the network failed, or the time ran out.
        :raises HttpError: a redirect; follow it by changing the URL.
        :raises LimitExceeded: the body is larger than ``limits.message_size``.

        Source: T-16, T-24, T-26, T-29.
        """
        deadline = time.monotonic() + self._timeout
        try:
            with self._session.request(
                request.method,
                request.url,
                data=request.body or None,
                headers=dict(request.headers),
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                self._refuse_redirect(response, request)
                body = self._read(response, request, deadline)
                headers = tuple(response.headers.items())
                return HttpResponse(status=response.status_code, headers=headers, body=body)
        except (exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            failure = _transport_error(error, request)
        except ValueError:
            # requests and the libraries below it let some through for odd URLs and headers.
            failure = TransportError(
                f"The exchange with {request.address} is not possible; check the URL.",
                url=request.address,
            )
        # Outside of the handlers, so that no cause with the whole URL hangs on it.
        raise failure

    def close(self) -> None:
        """Close the connections of a session of its own."""
        if self._owned:
            self._session.close()

    def __enter__(self) -> RequestsTransport:  # noqa: PYI034  # typing.Self came with Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _refuse_redirect(self, response: requests.Response, request: HttpRequest) -> None:
        # A followed redirect could turn POST into GET, change the host or leave https (T-26).
        if response.is_redirect or response.is_permanent_redirect:
            target = response.headers.get("Location", "").partition("?")[0]
            raise HttpError(
                f"{request.address} redirects to {target!r}, which is not followed; if that is "
                "right, use it as the URL.",
                status=response.status_code,
                content_type=response.headers.get("Content-Type"),
            )

    def _read(self, response: requests.Response, request: HttpRequest, deadline: float) -> bytes:
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > self._limits.message_size:
                raise LimitExceeded(
                    f"The response of {request.address} is larger than Limits.message_size allows "
                    f"({self._limits.message_size} bytes).",
                    limit="message_size",
                    value=len(body),
                )
            if time.monotonic() > deadline:
                raise TransportError(
                    f"{request.address} took longer than {self._timeout} seconds to answer.",
                    url=request.address,
                    timed_out=True,
                )
        return bytes(body)


def _own_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.headers["User-Agent"] = "pyscep"
    return session


def _transport_error(error: Exception, request: HttpRequest) -> TransportError:
    timed_out = isinstance(error, (exceptions.Timeout, TimeoutError)) or (
        isinstance(error, exceptions.ConnectionError) and "timed out" in str(error)
    )
    if timed_out:
        what = "did not answer in time"
    elif isinstance(error, exceptions.SSLError):
        what = "could not be reached by TLS; check its certificate"
    elif isinstance(error, exceptions.ChunkedEncodingError):
        what = "broke the connection off before the response was complete"
    else:
        what = "could not be reached, or broke the connection off"
    return TransportError(f"{request.address} {what}.", url=request.address, timed_out=timed_out)
