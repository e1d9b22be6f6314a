"""pyscep.http_server: what a client asks for, however it says it, and what it is answered."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscep import http, http_server
from pyscep.capabilities import Capability, HttpMethod
from pyscep.errors import (
    DecodeError,
    DecryptionFailed,
    HttpError,
    LimitExceeded,
    ScepError,
    TransportError,
    UsageError,
)
from pyscep.http import HttpRequest, HttpResponse, Operation
from pyscep.http_server import ScepRequest
from pyscep.limits import Limits

NDES = "http://windows.example/certsrv/mscep/mscep.dll/pkiclient.exe?"
CLEARPASS = "http://clearpass.example/onboard/mdps_scep.php/1"
# Begins like DER, and has all in it that needs escaping.
MESSAGE = base64.b64decode("MAX7+/8=")
GETTERS = {
    "GetCACaps": http.get_ca_caps,
    "GetCACert": http.get_ca_cert,
    "GetNextCACert": http.get_next_ca_cert,
}


# --------------------------------------------------------------------------------------- requests


def get(query: str, *, path: str = "/scep") -> HttpRequest:
    return HttpRequest(method="GET", url=f"{path}?{query}")


def post(query: str, body: bytes = MESSAGE) -> HttpRequest:
    return HttpRequest(method="POST", url=f"/scep?{query}" if query else "/scep", body=body)


def refusal(request: HttpRequest, **options: object) -> HttpError:
    with pytest.raises(HttpError) as caught:
        http_server.parse_request(request, **options)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.conforms("S-24")
def test_repr_has_no_message() -> None:
    asked = ScepRequest(operation=Operation.PKI_OPERATION, message=b"secret")
    assert "secret" not in repr(asked)


@pytest.mark.conforms("T-01", "T-04", "T-09")
@pytest.mark.parametrize("method", HttpMethod)
@pytest.mark.parametrize("url", [NDES, CLEARPASS, "http://h", "http://h/x?tenant=1"])
def test_what_a_client_asks_a_server_understands(url: str, method: HttpMethod) -> None:
    asked = http_server.parse_request(http.pki_operation(url, MESSAGE, method=method))
    assert asked == ScepRequest(operation=Operation.PKI_OPERATION, message=MESSAGE)
    for name, getter in GETTERS.items():
        asked = http_server.parse_request(getter(url))
        assert asked == ScepRequest(operation=Operation(name), ca_identifier=None)
        asked = http_server.parse_request(getter(url, ca_identifier="My CA/1&\u00e4"))
        assert asked.ca_identifier == "My CA/1&\u00e4"


@pytest.mark.conforms("T-13", "T-33", "G-20")
@pytest.mark.parametrize("operation", Operation)
def test_operation_in_any_case(operation: Operation) -> None:
    for name in (operation.value, operation.value.lower(), operation.value.upper()):
        request = get(f"operation={name}&message=MAA")
        assert http_server.parse_request(request).operation is operation
    escaped = "".join(f"%{ord(char):02x}" for char in operation.value)
    assert http_server.parse_request(get(f"Operation={escaped}&message=MAA")).operation is operation


@pytest.mark.conforms("T-09")
@pytest.mark.parametrize("path", ["", "/", "/scep/p", "/scep/p/pkiclient.exe", "http://h/x", "*"])
def test_path_is_not_looked_at(path: str) -> None:
    request = get("operation=GetCACert", path=path)
    assert http_server.parse_request(request).operation is Operation.GET_CA_CERT


@pytest.mark.conforms("T-32")
@pytest.mark.parametrize(
    ("query", "identifier"),
    [
        ("operation=GetCACert", None),
        ("operation=GetCACert&message=", None),
        ("operation=GetCACert&message", None),
        ("operation=GetCACert&message=CA-IDENT", "CA-IDENT"),
        ("message=My+CA%20%2b&operation=GetCACert", "My CA +"),
        ("operation=GetCACert&message=%ff", "\ufffd"),
        ("operation=GetCACert&message=first&message=second", "first"),
    ],
)
def test_ca_identifier_at_the_server(query: str, identifier: str | None) -> None:
    assert http_server.parse_request(get(query)).ca_identifier == identifier


@pytest.mark.conforms("T-29", "T-32")
def test_size_of_a_ca_identifier() -> None:
    assert refusal(get("operation=GetCACert&message=" + "x" * 1025)).status == 414


SPELLINGS = {
    "as the RFC has it": "MAX7%2B%2F8%3D",
    "with everything raw": "MAX7+/8=",
    "with a space for the plus": "MAX7%20/8=",
    "with line breaks": "MAX7%0A%2B/8=%0A",
    "with CRLF and a tab": "MAX7%0d%0a%2B/%098%3D%0D%0A",
    "with the end of Cisco": "MAX7%2B/8%3D%0A",
    "without padding": "MAX7%2B%2F8",
    "in the URL-safe alphabet": "MAX7-_8=",
    "in lower case escapes": "MAX7%2b%2f8%3d",
}


@pytest.mark.conforms("T-07")
@pytest.mark.parametrize("value", SPELLINGS.values(), ids=SPELLINGS)
def test_spellings_of_a_get(value: str) -> None:
    assert http_server.decode_get_message(value) == MESSAGE
    for query in (
        f"operation=PKIOperation&message={value}",
        f"message={value}&operation=pkioperation",
    ):
        assert http_server.parse_request(get(query)).message == MESSAGE


@pytest.mark.conforms("T-07")
@pytest.mark.parametrize("plus", ["+", "%2B", "%2b", "%20", "-"])
def test_plus_however_it_arrives(plus: str) -> None:
    # Also as the last letter, where a space is easily taken for white space around the value.
    message = base64.b64decode("MAX++/8+")
    value = "MAX++/8+".replace("+", plus)
    assert http_server.decode_get_message(value) == message
    assert http_server.decode_get_message(value + "%0A") == message


@pytest.mark.conforms("T-07")
@pytest.mark.parametrize(
    "value",
    [
        *("M", "MAX77", "MA=X", "MA*X", "%", "%4", "====", "%0A", "\u00e4\u00e4\u00e4\u00e4"),
        *("MAX77%252F%252F74A%253D%253D", "MAX7\u2028", "MAX7%00", "MAX7\udcc5"),
    ],
)
def test_other_values_are_refused(value: str) -> None:
    with pytest.raises(HttpError, match="The message is not base64") as caught:
        http_server.decode_get_message(value)
    assert caught.value.status == 400


@pytest.mark.conforms("T-12", "T-15")
@pytest.mark.parametrize(
    "query",
    [
        "",
        "operation=PKIOperation",
        "operation=",
        "operation=xyz",
        "message=",
        "a=b&Operation=pkioperation",
    ],
)
def test_post_is_a_pki_operation(query: str) -> None:
    expected = ScepRequest(operation=Operation.PKI_OPERATION, message=MESSAGE)
    for content_type in ("", "application/octet-stream", "application/x-www-form-urlencoded"):
        request = replace(post(query), headers=(("Content-Type", content_type),))
        assert http_server.parse_request(request) == expected
    assert http_server.parse_request(post(query)) == expected


@pytest.mark.conforms("T-12", "T-33")
def test_post_may_have_to_name_its_operation() -> None:
    named = post("operation=PKIOperation")
    assert http_server.parse_request(named, post_needs_operation=True).message == MESSAGE
    for query in ("", "operation=xyz"):
        assert refusal(post(query), post_needs_operation=True).status == 400


@pytest.mark.conforms("T-03", "T-33")
@pytest.mark.parametrize("name", [*GETTERS, "GetCACertChain"])
def test_post_of_the_other_operations(name: str) -> None:
    error = refusal(post(f"operation={name}"))
    assert (error.status, error.allow) == (405, "GET")


@pytest.mark.conforms("T-33")
@pytest.mark.parametrize("method", ["HEAD", "PUT", "OPTIONS", "get", "", "<script>"])
def test_other_methods(method: str) -> None:
    error = refusal(HttpRequest(method=method, url="/scep?operation=GetCACaps"))
    assert (error.status, error.allow) == (405, "GET, POST")


@pytest.mark.conforms("T-33")
@pytest.mark.parametrize(
    "query",
    [
        *("", "operation", "operation=", "operation=Get", "operation=GetCACapsX", "x=GetCACaps"),
        *("operation=PKIOperation", "operation=PKIOperation&message=", "&&==&"),
        *("operation=%00", "operation=PKIOperation&message=!"),
    ],
)
def test_other_queries(query: str) -> None:
    assert refusal(get(query)).status == 400
    assert refusal(HttpRequest(method="GET", url="/scep")).status == 400


@pytest.mark.conforms("T-23", "T-33")
def test_post_without_a_body() -> None:
    assert refusal(post("operation=PKIOperation", b"")).status == 400


@pytest.mark.conforms("T-29")
def test_sizes_at_the_server() -> None:
    limits = Limits(message_size=90)
    message = bytes(90)
    query = "operation=PKIOperation&message="
    encoded = base64.b64encode(message).decode()
    assert http_server.parse_request(get(query + encoded), limits=limits).message == message
    assert http_server.parse_request(post("", message), limits=limits).message == message
    assert refusal(post("", bytes(91)), limits=limits).status == 413
    assert refusal(get(query + encoded + "AAAA"), limits=limits).status == 413
    assert refusal(get(query + encoded + "A" * 60), limits=limits).status == 414
    assert refusal(post("x" * 181), limits=limits).status == 414


@pytest.mark.conforms("T-33")
@given(
    st.sampled_from(["GET", "POST", "HEAD"]),
    st.sampled_from(["", "?", "?operation=", "?operation=PKIOperation&message="]),
    st.text(max_size=60),
    st.binary(max_size=20),
)
def test_any_request_is_understood_or_refused(
    method: str, start: str, rest: str, body: bytes
) -> None:
    request = HttpRequest(method=method, url=start + rest, body=body)
    refused = None
    try:
        understood = http_server.parse_request(request)
    except HttpError as error:
        refused = error
    else:
        assert understood.message or understood.operation is not Operation.PKI_OPERATION
    if refused is not None:
        assert 400 <= refused.status < 500
        assert http_server.error_response(refused).status == refused.status


# -------------------------------------------------------------------------------- responses


@pytest.mark.conforms("T-20", "T-21", "T-23", "T-28", "G-03", "G-04", "G-20", "N-02")
@pytest.mark.parametrize(
    ("response", "content_type"),
    [
        (http_server.ca_caps_response(b"x"), "text/plain"),
        (http_server.ca_cert_response(b"x", chain=False), "application/x-x509-ca-cert"),
        (http_server.ca_cert_response(b"x", chain=True), "application/x-x509-ca-ra-cert"),
        (http_server.ca_cert_chain_response(b"x"), "application/x-x509-ca-ra-cert-chain"),
        (http_server.next_ca_cert_response(b"x"), "application/x-x509-next-ca-cert"),
        (http_server.pki_operation_response(b"x"), "application/x-pki-message"),
    ],
)
def test_types_stand_bare(response: HttpResponse, content_type: str) -> None:
    assert response == HttpResponse(
        status=200,
        headers=(("Content-Type", content_type), ("Cache-Control", "no-store")),
        body=b"x",
    )


@pytest.mark.conforms("T-20", "T-23")
def test_client_reads_what_the_server_writes() -> None:
    assert http.parse_get_ca_cert(http_server.ca_cert_response(MESSAGE, chain=True)) == MESSAGE
    assert http.parse_get_next_ca_cert(http_server.next_ca_cert_response(MESSAGE)) == MESSAGE
    assert http.parse_pki_operation(http_server.pki_operation_response(MESSAGE)) == MESSAGE
    keywords = http.parse_get_ca_caps(http_server.ca_caps_response(b"AES\n")).keywords
    assert keywords == {Capability.AES}


@pytest.mark.conforms("T-23", "T-33", "S-22")
@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (HttpError("secret", status=400), 400, b"The request was not understood.\n"),
        (HttpError("secret", status=404), 404, b"There is nothing here.\n"),
        (HttpError("secret", status=413), 413, b"The message is too large.\n"),
        (HttpError("secret", status=418), 418, b"The request was not understood.\n"),
        (HttpError("secret", status=501), 501, b"This server does not have this operation.\n"),
        (HttpError("secret", status=503), 503, b"An error.\n"),
        # Errors about another server's answer, such as that of a CA behind this one.
        (HttpError("secret", status=200, excerpt="secret"), 500, b"An error.\n"),
        (HttpError("secret", status=302), 500, b"An error.\n"),
        (HttpError("secret", status=999), 500, b"An error.\n"),
        (DecodeError("secret"), 400, b"The request was not understood.\n"),
        (LimitExceeded("secret", limit="depth"), 413, b"The message is too large.\n"),
        (DecryptionFailed(), 400, b"The request was not understood.\n"),
        (TransportError("secret", url="http://secret"), 500, b"An error.\n"),
        (UsageError("secret"), 500, b"An error.\n"),
    ],
)
def test_error_says_nothing_of_the_inside(error: ScepError, status: int, text: bytes) -> None:
    assert http_server.error_response(error) == HttpResponse(
        status=status,
        headers=(("Content-Type", "text/plain"), ("Cache-Control", "no-store")),
        body=text,
    )


@pytest.mark.conforms("T-33")
def test_allow() -> None:
    refused = http_server.error_response(refusal(HttpRequest(method="PUT", url="/")))
    assert refused.status == 405
    assert refused.header("allow") == "GET, POST"
    assert http_server.error_response(HttpError("x", status=405)).header("Allow") is None
    assert (
        http_server.error_response(HttpError("x", status=400, allow="GET")).header("Allow") is None
    )
