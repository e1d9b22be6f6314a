"""The responder as a WSGI application, for any WSGI server.

::

    application = wsgi_application(responder.handle)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pyscep.errors import HttpError
from pyscep.http import HttpRequest, HttpResponse
from pyscep.http_server import error_response
from pyscep.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_MOST_DIGITS = 18
Handle = Callable[[HttpRequest], HttpResponse]


def wsgi_application(
    handle: Handle, *, limits: Limits = DEFAULT_LIMITS
) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """Return a WSGI application that answers with *handle*, usually ``responder.handle``.

    :param limits: bodies larger than ``message_size`` are refused unread.

    Source: T-09, T-15, T-17, T-28, T-29.
    """

    def application(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            response = handle(_request(environment, limits))
        except HttpError as error:
            response = error_response(error)
        status = f"{response.status} {_phrase(response.status)}"
        length = ("Content-Length", str(len(response.body)))
        start_response(status, [*response.headers, length])
        return [b"" if environment["REQUEST_METHOD"] == "HEAD" else response.body]

    return application


def _request(environment: dict[str, Any], limits: Limits) -> HttpRequest:
    query = environment.get("QUERY_STRING", "")
    path = f"{environment.get('SCRIPT_NAME', '')}{environment.get('PATH_INFO', '')}"
    headers = tuple(
        (key[5:].replace("_", "-").title(), value)
        for key, value in environment.items()
        if key.startswith("HTTP_")
    )
    return HttpRequest(
        method=environment["REQUEST_METHOD"],
        url=f"{path}?{query}" if query else path,
        headers=headers,
        body=_body(environment, limits),
    )


def _body(environment: dict[str, Any], limits: Limits) -> bytes:
    length = environment.get("CONTENT_LENGTH") or ""
    stream = environment["wsgi.input"]
    if not length and environment.get("wsgi.input_terminated"):
        # A chunked body, of which the server knows the end (T-17).
        body: bytes = stream.read(limits.message_size + 1)
        return _not_too_large(body, len(body), limits)
    if not length:
        return b""
    if not (length.isascii() and length.isdecimal() and len(length) <= _MOST_DIGITS):
        raise HttpError("The Content-Length is not a number.", status=400)
    _not_too_large(b"", int(length), limits)
    body = stream.read(int(length))
    if len(body) != int(length):
        raise HttpError("The body is shorter than its Content-Length.", status=400)
    return body


def _not_too_large(body: bytes, size: int, limits: Limits) -> bytes:
    if size > limits.message_size:
        raise HttpError("The message is too large.", status=413)
    return body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
