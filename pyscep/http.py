"""SCEP over HTTP, without any I/O: which request an operation is, and what a response means.

A client makes an :class:`HttpRequest`, lets somebody send it, and reads the :class:`HttpResponse`.
A server does the reverse, with :mod:`pyscep.http_server`. RFC 8894 section 4 is in these two
modules, and nowhere else. Host, Content-Length and chunks are the business of whoever does HTTP
(T-16 to T-19).
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import NoReturn
from urllib.parse import SplitResult, quote, urlsplit

from pyscep.capabilities import NO_CAPABILITIES, Capabilities, HttpMethod, parse_capabilities
from pyscep.errors import HttpError, UsageError
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


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
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


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
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


def query_parameter(query: str, name: str) -> str | None:
    """Return the first value of a parameter, still escaped."""
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key.lower() == name:
            return value
    return None


# --------------------------------------------------------------------------------------- requests


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
    if query_parameter(parts.query, "operation") is not None:
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
    if text.isascii():
        return text
    return "".join(char if char.isascii() else quote(char) for char in text)


def _split_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or port == 0
        # Programs differ in what a backslash is, so in which host it leads to.
        or "\\" in url
        or " " in url
        or not url.isprintable()
    ):
        raise UsageError(
            "The SCEP server's URL is not understood; it has to look like http://host/path, with "
            "http or https.",
            argument="url",
        )
    return parts


# -------------------------------------------------------------------------------------- responses


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
