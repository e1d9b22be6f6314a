"""The server's side of SCEP over HTTP: what a client asks for, and the response to each operation.

:func:`parse_request` reads an :class:`~pyscep.http.HttpRequest` as tolerantly as deployed clients
need it; the other functions make the :class:`~pyscep.http.HttpResponse`. The client's side is
:mod:`pyscep.http`.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field, replace
from urllib.parse import unquote_to_bytes

from pyscep.capabilities import HttpMethod
from pyscep.errors import HttpError, ScepError
from pyscep.http import (
    CA_CERT_TYPE,
    CA_RA_CERT_CHAIN_TYPE,
    CA_RA_CERT_TYPE,
    NEXT_CA_CERT_TYPE,
    PKI_MESSAGE_TYPE,
    TEXT_TYPE,
    HttpRequest,
    HttpResponse,
    Operation,
    query_parameter,
)
from pyscep.limits import DEFAULT_LIMITS, Limits

# --------------------------------------------------------------------------------------- requests


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
        return _parse_post(request, query, limits, needs_operation=post_needs_operation)
    if request.method != HttpMethod.GET.value:
        raise HttpError("The method is not one of SCEP.", status=405, allow="GET, POST")
    operation = _operation(query)
    if operation is None:
        raise HttpError("The operation is missing or unknown.", status=400)
    value = query_parameter(query, "message")
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
    *,
    needs_operation: bool,
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


_OPERATIONS = {operation.value.lower(): operation for operation in Operation}


def operation_of(request: HttpRequest) -> Operation | None:
    """Return the operation that a request names; ``None`` for none that there is.

    Source: RFC 8894 section 4.1; T-13.
    """
    return _operation(request.url.partition("?")[2])


def _operation(query: str) -> Operation | None:
    return _OPERATIONS.get(_unescape(query_parameter(query, "operation") or "").lower())


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


# -------------------------------------------------------------------------------------- responses


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
