"""SCEP over HTTP, without any I/O: which request an operation is, and what a response means.

A client makes an :class:`HttpRequest`, lets somebody send it, and reads the :class:`HttpResponse`.
A server does the reverse. RFC 8894 section 4 is here, and nowhere else. Host, Content-Length and
chunks are the business of whoever does HTTP (T-16 to T-19).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NoReturn
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

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

# The Content-Types of the answers (RFC 8894 section 4; T-20).
CA_CERT_TYPE = "application/x-x509-ca-cert"
CA_RA_CERT_TYPE = "application/x-x509-ca-ra-cert"
CA_RA_CERT_CHAIN_TYPE = "application/x-x509-ca-ra-cert-chain"
NEXT_CA_CERT_TYPE = "application/x-x509-next-ca-cert"
PKI_MESSAGE_TYPE = "application/x-pki-message"
TEXT_TYPE = "text/plain"

Headers = tuple[tuple[str, str], ...]
"""Names and values, in the order of the wire; a name may occur twice."""


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
    url: str
    """Absolute at the client; at the server it may be path and query only."""
    headers: Headers = ()
    """Names and values, without Host and Content-Length, which belong to whoever sends."""
    body: bytes = b""
    """The body; empty with GET."""

    @property
    def address(self) -> str:
        """The URL without user name and query: for logs and errors."""
        scheme, mark, rest = self.url.partition("?")[0].partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"

    def __repr__(self) -> str:
        # The query of a GET is the message, and a header may be a credential: sizes only.
        query = len(self.url.partition("?")[2])
        return (
            f"HttpRequest(method={self.method!r}, address={self.address!r}, "
            f"query=<{query} characters>, body=<{len(self.body)} bytes>)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """One HTTP response, its body complete and decoded."""

    status: int
    """The status code."""
    headers: Headers = ()
    """Names and values."""
    body: bytes = b""
    """The body."""

    def header(self, name: str) -> str | None:
        """Return the first header of that name, in any case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def __repr__(self) -> str:
        return (
            f"HttpResponse(status={self.status}, content_type={self.header('Content-Type')!r}, "
            f"body=<{len(self.body)} bytes>)"
        )


# ------------------------------------------------------------------------------- client: requests


def get_ca_caps(url: str, *, ca_identifier: str | None = None) -> HttpRequest:
    """Return the request for GetCACaps.

    :param url: the server's, as configured.
    :param ca_identifier: names one of several CAs. Left out unless the server wants it; some old
        ones want an empty one.
    :raises UsageError: *url* cannot be that of a SCEP server, or *ca_identifier* cannot be sent.

    Source: RFC 8894 section 3.5.1; T-03, T-10, T-32.
    """
    return _get(url, Operation.GET_CA_CAPS, ca_identifier)


def get_ca_cert(url: str, *, ca_identifier: str | None = None) -> HttpRequest:
    """Return the request for GetCACert.

    The arguments are those of :func:`get_ca_caps`.

    :raises UsageError: *url* cannot be that of a SCEP server, or *ca_identifier* cannot be sent.

    Source: RFC 8894 section 4.2; T-03, T-32, G-01.
    """
    return _get(url, Operation.GET_CA_CERT, ca_identifier)


def get_next_ca_cert(url: str, *, ca_identifier: str | None = None) -> HttpRequest:
    """Return the request for GetNextCACert.

    The arguments are those of :func:`get_ca_caps`.

    :raises UsageError: *url* cannot be that of a SCEP server, or *ca_identifier* cannot be sent.

    Source: RFC 8894 section 4.7; T-03, T-32, N-01.
    """
    return _get(url, Operation.GET_NEXT_CA_CERT, ca_identifier)


def pki_operation(url: str, message: bytes, *, method: HttpMethod) -> HttpRequest:
    """Return the request that carries a pkiMessage.

    :param url: the server's, as configured.
    :param message: the pkiMessage in DER.
    :param method: POST wherever the server can; GET puts the message in base64 into the query.
    :raises UsageError: *url* cannot be that of a SCEP server.

    Source: RFC 8894 sections 4.1 and 4.3; T-01, T-02, T-04, T-05, T-06, T-10, T-11, T-14.
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
        query += f"&message={_escape(message)}"
    return HttpRequest(method="GET", url=_with_query(url, query))


def _escape(message: str) -> str:
    try:
        # Everything but letters, digits and "-._~": also "+", "/" and "=" of base64 (T-05).
        return quote(message, safe="")
    except UnicodeEncodeError:
        pass
    raise UsageError(
        f"The CA identifier {message!r} has a lone surrogate, which UTF-8 lacks.",
        argument="ca_identifier",
    )


def _with_query(url: str, query: str) -> str:
    """Add *query* to the configured URL, all other parts of which stay as they are (T-08, T-10)."""
    parts = _split_url(url)
    if "#" in url or "@" in parts.netloc:
        raise UsageError(
            "The SCEP server's URL must have neither a fragment nor a user name; give credentials "
            "to the transport instead.",
            argument="url",
        )
    if _parameter(parts.query, "operation") is not None:
        raise UsageError(
            "The SCEP server's URL has an operation in its query already; leave it out, as it is "
            "added to each request.",
            argument="url",
        )
    address, _, existing = url.partition("?")
    path = "" if parts.path else DEFAULT_PATH
    existing = existing.rstrip("&")
    # What is not ASCII goes out in percents, the same by every transport; the host is left to it.
    before, _, host_and_path = address.partition("://")
    host, slash, rest = host_and_path.partition("/")
    kept = f"{before}://{host}{slash}{_percent(rest)}{path}"
    return f"{kept}?{_percent(existing)}&{query}" if existing else f"{kept}?{query}"


def _percent(text: str) -> str:
    return "".join(char if char.isascii() else quote(char) for char in text)


def _split_url(url: str) -> SplitResult:
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError:
        parts, port = urlsplit(""), None
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or port == 0
        # Programs differ in what a backslash is, so in which host it leads to.
        or any(char.isspace() or not char.isprintable() or char == "\\" for char in url)
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

    A closed connection or a timeout, with which old NDES says the same, is the transport's error:
    it is for the caller to take that for :data:`~pyscep.capabilities.NO_CAPABILITIES` (C-17).

    Source: RFC 8894 section 3.5.2; C-16, C-17, C-21, C-27.
    """
    server = response.header("Server")
    shown = None if server is None else _printable(server)
    if not 200 <= response.status < 300:
        return replace(NO_CAPABILITIES, server=shown)
    return parse_capabilities(response.body, server=shown, limits=limits)


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
    401: "it wants credentials; give them to the transport",
    403: "it does not let this client in; ask its administrator",
    404: "check the URL",
    407: "the proxy wants credentials; give them to the transport",
    413: "the message is too large for it",
    500: "its log has to tell why",
    501: "it does not have this operation",
}
_ADVICE_FOR_MESSAGES = {
    405: "use the other one of HttpMethod.GET and HttpMethod.POST",
    414: "the message is too long for a GET; use http_method=HttpMethod.POST",
}
_ADVICE_IF_EMPTY = "some servers do that for POST; use http_method=HttpMethod.GET with them"


def _body(response: HttpResponse, operation: Operation, limits: Limits) -> bytes:
    status, body = response.status, response.body
    is_message = operation is Operation.PKI_OPERATION
    server = f"The server answered {operation.value} with"
    if not 200 <= status < 300:
        advice = _ADVICE_FOR_MESSAGES.get(status) if is_message else None
        if 300 <= status < 400:
            advice = "it redirects, which is not followed; use the URL it redirects to"
        advice = advice or _ADVICE_BY_STATUS.get(status, "check URL and server")
        _refuse(response, f"{server} HTTP status {status}", advice)
    limits.check_size(len(body), what=f"The answer to {operation.value}")
    if not body:
        advice = _ADVICE_IF_EMPTY if is_message else "check that the URL is that of a SCEP service"
        _refuse(response, f"{server} an empty body", advice)
    # BER starts with a SEQUENCE, whatever the Content-Type says (T-22, G-05). GetCACert is answered
    # in PEM now and then, and its parser reads that.
    is_pem = operation is Operation.GET_CA_CERT and b"-----BEGIN " in body
    if body[0] != 0x30 and not is_pem:
        _refuse(
            response,
            f"{server} something else than a SCEP message",
            "check that the URL is that of a SCEP service",
        )
    return body


def _refuse(response: HttpResponse, what: str, advice: str) -> NoReturn:
    content_type = response.header("Content-Type")
    content_type = None if content_type is None else _printable(content_type)
    excerpt = _excerpt(response.body)
    shown = f" ({content_type or 'no Content-Type'}: {excerpt!r})" if excerpt else ""
    raise HttpError(
        f"{what}{shown}; {advice}.",
        status=response.status,
        content_type=content_type,
        excerpt=excerpt,
    )


def _excerpt(body: bytes) -> str:
    """Return what a person would read first in *body*; nothing of what is not text."""
    head = body[:2048]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = head.decode("utf-16", "replace")  # the pages of IIS for people
    elif b"\0" in head or head[:1] == b"\x30":
        return ""
    else:
        text = head.decode("utf-8", "replace")
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        text = re.sub("<[^>]*>?", " ", text)
    return _printable(text)


def _printable(text: str) -> str:
    spaced = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(spaced.split())[:160]


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


_IDENTIFIER_SIZE = 1024
"""Characters of a CA identifier that are accepted, still escaped."""


def parse_request(
    request: HttpRequest,
    *,
    limits: Limits = DEFAULT_LIMITS,
    post_needs_operation: bool = False,
) -> ScepRequest:
    """Find out what a client asks for, as tolerantly as deployed clients need it.

    The path is not looked at, and no Content-Type is demanded.

    :param post_needs_operation: refuse a POST without a known operation, which is otherwise taken
        for a PKIOperation (T-12).
    :raises HttpError: status 400, 405 (see ``allow``), 413 or 414; the text is fit for the client.

    Source: RFC 8894 section 4.1; T-01, T-07, T-09, T-12, T-13, T-15, T-29, T-32, T-33.
    """
    query = request.url.partition("?")[2]
    # Base64 needs 4/3 of the message, and some more for what is escaped of it.
    if len(query) > 2 * limits.message_size:
        raise HttpError("The query is too long.", status=414)
    if request.method == HttpMethod.POST.value:
        return _parse_post(request, query, limits, post_needs_operation)
    if request.method != HttpMethod.GET.value:
        raise HttpError("The method is not one of SCEP.", status=405, allow="GET, POST")
    operation = _operation(query)
    if operation is None:
        raise HttpError("The operation is missing or unknown.", status=400)
    value = _parameter(query, "message")
    if operation is not Operation.PKI_OPERATION:
        return ScepRequest(operation=operation, ca_identifier=_identifier(value))
    if not value:
        raise HttpError("The query has no message.", status=400)
    message = decode_get_message(value)
    if len(message) > limits.message_size:
        raise HttpError("The message is too large.", status=413)
    return ScepRequest(operation=operation, message=message)


def _parse_post(
    request: HttpRequest,
    query: str,
    limits: Limits,
    needs_operation: bool,  # noqa: FBT001
) -> ScepRequest:
    operation = _operation(query)
    if operation is None and needs_operation:
        raise HttpError("The operation is missing or unknown.", status=400)
    if operation not in (None, Operation.PKI_OPERATION):
        raise HttpError("This operation is asked for with GET.", status=405, allow="GET")
    if len(request.body) > limits.message_size:
        raise HttpError("The message is too large.", status=413)
    if not request.body:
        raise HttpError("The body is empty.", status=400)
    return ScepRequest(operation=Operation.PKI_OPERATION, message=request.body)


def operation_of(request: HttpRequest) -> Operation | None:
    """Return the operation that a request names; ``None`` for none that there is.

    Source: RFC 8894 section 4.1; T-13.
    """
    return _operation(request.url.partition("?")[2])


def _operation(query: str) -> Operation | None:
    name = _unescape(_parameter(query, "operation") or "").lower()
    return next((known for known in Operation if known.value.lower() == name), None)


def _identifier(value: str | None) -> str | None:
    if not value:
        return None
    if len(value) > _IDENTIFIER_SIZE:
        raise HttpError("The CA identifier is too long.", status=414)
    return _unescape(value)


def _unescape(value: str) -> str:
    return _percent_decoded(value.replace("+", " ")).decode("utf-8", "replace")


def _percent_decoded(value: str) -> bytes:
    # A server that reads the line as ASCII may hand over lone surrogates for other bytes.
    return unquote_to_bytes(value.encode("utf-8", "surrogatepass"))


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
    # Unescaped once: "%252B" is no "+". A space is always a "+", also as the last letter.
    octets = _percent_decoded(value).translate(None, b"\r\n\t")
    compact = octets.translate(bytes.maketrans(b" -_", b"++/")).rstrip(b"=")
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


def ca_cert_chain_response(body: bytes) -> HttpResponse:
    """Return the answer to GetCACertChain, an operation of the drafts.

    :param body: a degenerate SignedData.

    Source: G-20.
    """
    return _response(200, CA_RA_CERT_CHAIN_TYPE, body)


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


_TEXT_BY_STATUS = {
    400: "The request was not understood.",
    404: "There is nothing here.",
    405: "This HTTP method is not the one for this operation.",
    413: "The message is too large.",
    414: "The message is too long for a GET; use POST.",
    501: "This server does not have this operation.",
}


def error_response(error: ScepError) -> HttpResponse:
    """Return the answer where no signed one can be given.

    The text goes by the status alone: what *error* says is for the server's own log.

    Source: T-23, T-33, S-22.
    """
    status = error.status if isinstance(error, HttpError) else error.http_status_hint
    # An HttpError may also be about some other server's answer, even about one with status 200.
    status = status if 400 <= status < 600 else 500
    text = _TEXT_BY_STATUS.get(status, _TEXT_BY_STATUS[400] if status < 500 else "An error.")
    response = _response(status, TEXT_TYPE, f"{text}\n".encode())
    allow = error.allow if isinstance(error, HttpError) else None
    if status == 405 and allow is not None:
        return replace(response, headers=(*response.headers, ("Allow", allow)))
    return response


def _response(status: int, content_type: str, body: bytes) -> HttpResponse:
    # The types stand bare, as some compare whole strings (T-21); proxies would otherwise keep the
    # replies to GET (T-28).
    headers = (("Content-Type", content_type), ("Cache-Control", "no-store"))
    return HttpResponse(status=status, headers=headers, body=body)
