"""SCEP over HTTP, without any I/O: which request an operation is, and what a response means.

A client makes an :class:`HttpRequest`, lets somebody send it, and reads the :class:`HttpResponse`.
A server does the reverse. RFC 8894 section 4 is here, and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from enum import Enum
from typing import NoReturn
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit, urlunsplit

from pyscep.capabilities import (
    NO_CAPABILITIES,
    Capabilities,
    HttpMethod,
    parse_capabilities,
)
from pyscep.errors import HttpError, ScepError, UsageError
from pyscep.limits import DEFAULT_LIMITS, Limits

DEFAULT_PATH = "/cgi-bin/pkiclient.exe"
"""The path for a URL that has none (RFC 8894 section 4.1; T-08)."""

CA_CERT_TYPE = "application/x-x509-ca-cert"
CA_RA_CERT_TYPE = "application/x-x509-ca-ra-cert"
NEXT_CA_CERT_TYPE = "application/x-x509-next-ca-cert"
PKI_MESSAGE_TYPE = "application/x-pki-message"
TEXT_TYPE = "text/plain"

Headers = tuple[tuple[str, str], ...]


class Operation(Enum):
    """The operations of SCEP, spelled as in the query (RFC 8894 section 4.1; T-13)."""

    GET_CA_CAPS = "GetCACaps"
    GET_CA_CERT = "GetCACert"
    GET_NEXT_CA_CERT = "GetNextCACert"
    PKI_OPERATION = "PKIOperation"
    GET_CA_CERT_CHAIN = "GetCACertChain"
    """Of the drafts; a server may still be asked for it (G-20)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One HTTP request, as a client sends it or a server received it."""

    method: str
    """``"GET"`` or ``"POST"``; a server may see anything."""
    url: str = field(repr=False)
    """Absolute at the client; at the server it may be path and query only."""
    headers: Headers = ()
    """Names and values, without Host and Content-Length, which belong to whoever sends."""
    body: bytes = field(default=b"", repr=False)
    """The body; empty with GET."""

    @property
    def address(self) -> str:
        """The URL without its query, which may carry a message: for logs and errors."""
        return self.url.partition("?")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """One HTTP response, its body complete and decoded."""

    status: int
    """The status code."""
    headers: Headers = ()
    """Names and values."""
    body: bytes = field(default=b"", repr=False)
    """The body."""

    def header(self, name: str) -> str | None:
        """Return the first header of that name, in any case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


# ------------------------------------------------------------------------------- client: requests


def get_ca_caps(url: str, *, ca_identifier: str | None = None) -> HttpRequest:
    """Return the request for GetCACaps.

    :param ca_identifier: names one of several CAs; left out unless the server wants it.
    :raises UsageError: *url* is not an HTTP URL.

    Source: RFC 8894 section 3.5.1; T-03, T-32.
    """
    return _get(url, Operation.GET_CA_CAPS, ca_identifier)


def get_ca_cert(url: str, *, ca_identifier: str | None = None) -> HttpRequest:
    """Return the request for GetCACert.

    :param ca_identifier: names one of several CAs; left out unless the server wants it.
    :raises UsageError: *url* is not an HTTP URL.

    Source: RFC 8894 section 4.2; T-03, T-32, G-01.
    """
    return _get(url, Operation.GET_CA_CERT, ca_identifier)


def get_next_ca_cert(url: str, *, ca_identifier: str | None = None) -> HttpRequest:
    """Return the request for GetNextCACert.

    :param ca_identifier: names one of several CAs; left out unless the server wants it.
    :raises UsageError: *url* is not an HTTP URL.

    Source: RFC 8894 section 4.7; T-03, T-32, N-01.
    """
    return _get(url, Operation.GET_NEXT_CA_CERT, ca_identifier)


def pki_operation(url: str, message: bytes, *, method: HttpMethod) -> HttpRequest:
    """Return the request that carries a pkiMessage.

    :param method: POST wherever the server can; GET puts the message in base64 into the query.
    :raises UsageError: *url* is not an HTTP URL.

    Source: RFC 8894 sections 4.1 and 4.3; T-01, T-02, T-05, T-06, T-11, T-14.
    """
    if method is HttpMethod.GET:
        encoded = base64.b64encode(message).decode("ascii")
        return _get(url, Operation.PKI_OPERATION, encoded)
    return HttpRequest(
        method="POST",
        url=_with_query(url, f"operation={Operation.PKI_OPERATION.value}"),
        headers=(("Content-Type", PKI_MESSAGE_TYPE),),
        body=message,
    )


def _get(url: str, operation: Operation, message: str | None) -> HttpRequest:
    query = f"operation={operation.value}"
    if message is not None:
        # Everything but letters, digits and "-._~": also "+", "/" and "=" of base64 (T-05).
        query += f"&message={quote(message, safe='')}"
    return HttpRequest(method="GET", url=_with_query(url, query))


def _with_query(url: str, query: str) -> str:
    """Add *query* to the configured URL, every other part of which stays as it is (T-10)."""
    parts = _split_url(url)
    if "#" in url or "@" in parts.netloc:
        raise UsageError(
            "The SCEP server's URL must have neither a fragment nor a user name; give credentials "
            "to the transport instead.",
            argument="url",
        )
    existing = parts.query.rstrip("&")
    joined = f"{existing}&{query}" if existing else query
    return urlunsplit((parts.scheme, parts.netloc, parts.path or DEFAULT_PATH, joined, ""))


def _split_url(url: str) -> SplitResult:
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError:
        parts, port = urlsplit(""), None
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or port == 0
        or any(char.isspace() or not char.isprintable() for char in url)
    ):
        raise UsageError(
            "The SCEP server's URL is not understood; it has to look like http://host/path, with "
            "http or https.",
            argument="url",
        )
    return parts


# ------------------------------------------------------------------------------ client: responses


def parse_get_ca_caps(response: HttpResponse, *, limits: Limits = DEFAULT_LIMITS) -> Capabilities:
    """Read the answer to GetCACaps; an HTTP error or nothing means no capabilities, never an error.

    Source: RFC 8894 section 3.5.2; C-16, C-21, C-27.
    """
    if not 200 <= response.status < 300:
        return NO_CAPABILITIES
    return parse_capabilities(response.body, server=response.header("Server"), limits=limits)


def parse_get_ca_cert(response: HttpResponse, *, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return the body of an answer to GetCACert, for :func:`pyscep.ca.parse_ca_certificates`.

    :raises HttpError: an HTTP error, an empty body, or a web page.
    :raises LimitExceeded: larger than ``limits.message_size``.

    Source: RFC 8894 section 4.2.1; G-05, G-22, T-20, T-22.
    """
    return _body(response, Operation.GET_CA_CERT, limits)


def parse_get_next_ca_cert(response: HttpResponse, *, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return the body of an answer to GetNextCACert.

    :raises HttpError: an HTTP error, an empty body, or a web page.
    :raises LimitExceeded: larger than ``limits.message_size``.

    Source: RFC 8894 section 4.7.1; T-20, T-22.
    """
    return _body(response, Operation.GET_NEXT_CA_CERT, limits)


def parse_pki_operation(response: HttpResponse, *, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return the pkiMessage of an answer to PKIOperation.

    The Content-Type is not believed: deployed servers leave it out or have others (T-22).

    :raises HttpError: an HTTP error, an empty body, or a web page.
    :raises LimitExceeded: larger than ``limits.message_size``.

    Source: RFC 8894 section 4.3.1; T-20, T-22, T-24, T-25, T-27.
    """
    return _body(response, Operation.PKI_OPERATION, limits)


_ADVICE_BY_STATUS = {
    404: "check the URL",
    405: "use the other HTTP method",
    413: "the message is too large for the server",
    414: "the message is too long for a GET; use http_method=HttpMethod.POST",
    500: "the server's log has to tell",
    501: "the server does not have this operation",
}


def _body(response: HttpResponse, operation: Operation, limits: Limits) -> bytes:
    status, body = response.status, response.body
    if not 200 <= status < 300:
        advice = _ADVICE_BY_STATUS.get(status, "check URL and server")
        _refuse(
            response, f"The server answered {operation.value} with HTTP status {status}", advice
        )
    limits.check_size(len(body), what=f"The answer to {operation.value}")
    if not body:
        advice = "some servers do that for POST; try http_method=HttpMethod.GET"
        _refuse(response, f"The server answered {operation.value} with an empty body", advice)
    # DER starts with a SEQUENCE; PEM is met from GetCACert now and then.
    if body[0] != 0x30 and not body.lstrip().startswith(b"-----BEGIN "):
        _refuse(
            response,
            f"The server answered {operation.value} with something else than a SCEP message",
            "check that the URL is that of the SCEP service",
        )
    return body


def _refuse(response: HttpResponse, what: str, advice: str) -> NoReturn:
    content_type = response.header("Content-Type")
    excerpt = _excerpt(response.body)
    shown = f" ({content_type or 'no Content-Type'}: {excerpt!r})" if excerpt else ""
    raise HttpError(
        f"{what}{shown}; {advice}.",
        status=response.status,
        content_type=content_type,
        excerpt=excerpt,
    )


def _excerpt(body: bytes) -> str:
    text = body[:400].decode("utf-8", "replace")
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:160]


# ------------------------------------------------------------------------------- server: requests


@dataclass(frozen=True, slots=True, kw_only=True)
class ScepRequest:
    """What a client asks a server for."""

    operation: Operation
    """The operation."""
    message: bytes = field(default=b"", repr=False)
    """With PKIOperation, the pkiMessage."""
    ca_identifier: str | None = None
    """With the others, whatever stood in ``message`` (T-32)."""


def parse_request(request: HttpRequest, *, limits: Limits = DEFAULT_LIMITS) -> ScepRequest:
    """Find out what a client asks for, as tolerantly as deployed clients need it.

    The path is not looked at. With POST a missing operation means PKIOperation, and no
    Content-Type is demanded.

    :raises HttpError: status 400, 405 (see ``allow``), 413 or 414; the text is fit for the client.

    Source: RFC 8894 section 4.1; T-07, T-09, T-12, T-13, T-15, T-29, T-32, T-33.
    """
    query = request.url.partition("?")[2]
    if len(query) > 2 * limits.message_size:
        raise HttpError("The query is too long.", status=414)
    if request.method == HttpMethod.POST.value:
        return _parse_post(request, query, limits)
    if request.method != HttpMethod.GET.value:
        raise HttpError(
            f"The method {request.method[:20]} is not one of SCEP.", status=405, allow="GET, POST"
        )
    operation = _operation(query)
    value = _parameter(query, "message")
    if operation is not Operation.PKI_OPERATION:
        identifier = None if value is None else unquote_to_bytes(value).decode("utf-8", "replace")
        return ScepRequest(operation=operation, ca_identifier=identifier)
    if not value:
        raise HttpError("The query has no message.", status=400)
    return ScepRequest(operation=operation, message=decode_get_message(value))


def _parse_post(request: HttpRequest, query: str, limits: Limits) -> ScepRequest:
    has_operation = _parameter(query, "operation") is not None
    operation = _operation(query) if has_operation else Operation.PKI_OPERATION
    if operation is not Operation.PKI_OPERATION:
        raise HttpError(f"{operation.value} is asked for with GET.", status=405, allow="GET")
    if len(request.body) > limits.message_size:
        raise HttpError("The message is too large.", status=413)
    if not request.body:
        raise HttpError("The body is empty.", status=400)
    return ScepRequest(operation=operation, message=request.body)


def _operation(query: str) -> Operation:
    name = unquote_to_bytes(_parameter(query, "operation") or "").decode("utf-8", "replace")
    for operation in Operation:
        if operation.value.lower() == name.lower():
            return operation
    raise HttpError("The operation is missing or unknown.", status=400)


def _parameter(query: str, name: str) -> str | None:
    """Return the first value of a parameter, still escaped."""
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key.lower() == name:
            return value
    return None


def decode_get_message(value: str) -> bytes:
    """Decode the ``message`` of a GET in any of the spellings that clients use.

    A ``+`` may have come through as itself, escaped, or as a space; line breaks, the URL-safe
    alphabet and missing padding occur.

    :param value: still escaped.
    :raises HttpError: status 400: not base64.

    Source: RFC 8894 section 4.1; T-07.
    """
    octets = unquote_to_bytes(value)
    octets = octets.rstrip(b"\r\n\t ").replace(b" ", b"+").replace(b"-", b"+").replace(b"_", b"/")
    compact = b"".join(octets.split()).rstrip(b"=")
    try:
        message = base64.b64decode(compact + b"=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        message = b""
    if not message:
        raise HttpError("The message is not base64.", status=400)
    return message


# ------------------------------------------------------------------------------ server: responses


def ca_caps_response(body: bytes) -> HttpResponse:
    """Return the answer to GetCACaps.

    Source: RFC 8894 section 3.5.2; T-20, T-21.
    """
    return _response(200, TEXT_TYPE, body)


def ca_cert_response(body: bytes, *, chain: bool) -> HttpResponse:
    """Return the answer to GetCACert.

    :param chain: whether *body* is a degenerate SignedData and not one certificate.

    Source: RFC 8894 section 4.2.1; G-03, G-04, T-20, T-21.
    """
    return _response(200, CA_RA_CERT_TYPE if chain else CA_CERT_TYPE, body)


def next_ca_cert_response(body: bytes) -> HttpResponse:
    """Return the answer to GetNextCACert.

    Source: RFC 8894 section 4.7.1; N-02, T-20.
    """
    return _response(200, NEXT_CA_CERT_TYPE, body)


def pki_operation_response(body: bytes) -> HttpResponse:
    """Return the answer to PKIOperation; SUCCESS, FAILURE and PENDING are all status 200.

    Source: RFC 8894 section 4.3; T-20, T-23.
    """
    return _response(200, PKI_MESSAGE_TYPE, body)


def error_response(error: ScepError) -> HttpResponse:
    """Return the answer where no signed one can be given; it says nothing about the inside.

    Source: T-23, T-33, S-22.
    """
    status = error.status if isinstance(error, HttpError) else error.http_status_hint
    allow = error.allow if isinstance(error, HttpError) else None
    text = str(error) if isinstance(error, HttpError) else "The request was not understood."
    response = _response(status, TEXT_TYPE, f"{text}\n".encode())
    if allow is None:
        return response
    headers = (*response.headers, ("Allow", allow))
    return HttpResponse(status=status, headers=headers, body=response.body)


def _response(status: int, content_type: str, body: bytes) -> HttpResponse:
    # GET replies would otherwise be kept by proxies (T-28).
    headers = (("Content-Type", content_type), ("Cache-Control", "no-store"))
    return HttpResponse(status=status, headers=headers, body=body)
