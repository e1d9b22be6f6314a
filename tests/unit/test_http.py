"""pyscep.http: which request an operation is, and what a response means."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscep import http, http_server
from pyscep.capabilities import NO_CAPABILITIES, Capability, HttpMethod
from pyscep.errors import (
    HttpError,
    LimitExceeded,
    UsageError,
)
from pyscep.http import HttpRequest, HttpResponse
from pyscep.limits import Limits

NDES = "http://windows.example/certsrv/mscep/mscep.dll/pkiclient.exe?"
CLEARPASS = "http://clearpass.example/onboard/mdps_scep.php/1"
# Begins like DER, and has all in it that needs escaping.
BASE64 = "MAX7+/8="
MESSAGE = base64.b64decode(BASE64)

Getter = Callable[..., HttpRequest]
GETTERS = {
    "GetCACaps": http.get_ca_caps,
    "GetCACert": http.get_ca_cert,
    "GetNextCACert": http.get_next_ca_cert,
}
getters = pytest.mark.parametrize(("name", "getter"), GETTERS.items(), ids=GETTERS)


# ----------------------------------------------------------------------------------------- values


@pytest.mark.conforms("S-24")
def test_repr_has_sizes_and_no_content() -> None:
    request = replace(
        http.pki_operation(CLEARPASS, MESSAGE, method=HttpMethod.GET),
        headers=(("Authorization", "Basic secret"),),
    )
    assert repr(request) == (
        "HttpRequest(method='GET', "
        "address='http://clearpass.example/onboard/mdps_scep.php/1', "
        f"query=<{len('operation=PKIOperation&message=') + len(BASE64) + 6} characters>, "
        "body=<0 bytes>)"
    )
    posted = http.pki_operation(CLEARPASS, b"secret", method=HttpMethod.POST)
    assert "body=<6 bytes>" in repr(posted)
    assert "secret" not in repr(posted)
    response = HttpResponse(status=200, headers=(("content-type", "text/html"),), body=b"secret")
    assert repr(response) == ("HttpResponse(status=200, content_type='text/html', body=<6 bytes>)")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://h/p?q", "http://h/p"),
        ("http://user:password@h:80/p@q?r@s", "http://h:80/p@q"),
        ("http://u@v@h", "http://h"),
        ("/scep?operation=x", "/scep"),
        ("/a@b", "/a@b"),
        ("", ""),
    ],
)
def test_address_has_no_query_and_no_credentials(url: str, address: str) -> None:
    assert HttpRequest(method="GET", url=url).address == address


def test_header_in_any_case() -> None:
    response = HttpResponse(status=200, headers=(("Server", "first"), ("SERVER", "second")))
    assert response.header("server") == "first"
    assert response.header("Content-Type") is None


# --------------------------------------------------------------------------------- requests


@pytest.mark.conforms("T-03", "T-32", "G-01", "N-01")
@getters
def test_what_is_asked_without_a_message(name: str, getter: Getter) -> None:
    request = getter("http://ca.example/scep")
    assert request == HttpRequest(
        method="GET", url=f"http://ca.example/scep?operation={name}", headers=(), body=b""
    )


@pytest.mark.conforms("T-32")
@getters
def test_ca_identifier(name: str, getter: Getter) -> None:
    url = "http://ca.example/scep"
    wanted = f"{url}?operation={name}&message="
    assert getter(url, ca_identifier="My CA/1&\u00e4").url == wanted + "My%20CA%2F1%26%C3%A4"
    assert getter(url, ca_identifier="").url == wanted


@pytest.mark.conforms("T-32")
@getters
def test_ca_identifier_that_cannot_be_sent(name: str, getter: Getter) -> None:
    """What Python makes of a command line that is not UTF-8."""
    with pytest.raises(UsageError, match="lone surrogate") as caught:
        getter("http://ca.example/scep", ca_identifier="\udce4")
    assert caught.value.argument == "ca_identifier"
    assert caught.value.__context__ is None


@pytest.mark.conforms("T-01", "T-11", "T-14", "T-16")
def test_post() -> None:
    request = http.pki_operation(NDES, MESSAGE, method=HttpMethod.POST)
    assert request == HttpRequest(
        method="POST",
        url=NDES + "operation=PKIOperation",
        headers=(("Content-Type", "application/x-pki-message"),),
        body=MESSAGE,
    )
    assert type(request.body) is bytes


@pytest.mark.conforms("T-01", "T-05", "T-06")
def test_get() -> None:
    request = http.pki_operation(NDES, MESSAGE, method=HttpMethod.GET)
    escaped = BASE64.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    assert request == HttpRequest(
        method="GET", url=f"{NDES}operation=PKIOperation&message={escaped}", headers=(), body=b""
    )


@pytest.mark.conforms("T-05", "T-06")
@given(st.binary(min_size=1, max_size=200))
def test_get_is_base64_in_one_line(message: bytes) -> None:
    url = http.pki_operation("http://h/s", message, method=HttpMethod.GET).url
    value = url.partition("&message=")[2]
    assert re.fullmatch(r"(?:[A-Za-z0-9]|%2B|%2F|%3D)+", value)
    assert dict(parse_qsl(urlsplit(url).query))["message"] == base64.b64encode(message).decode()
    assert http_server.parse_request(HttpRequest(method="GET", url=url)).message == message


URLS = {
    NDES: NDES + "operation=",
    CLEARPASS: CLEARPASS + "?operation=",
    "http://h": "http://h/cgi-bin/pkiclient.exe?operation=",
    "http://h?": "http://h/cgi-bin/pkiclient.exe?operation=",
    "http://h:8080?x=1": "http://h:8080/cgi-bin/pkiclient.exe?x=1&operation=",
    "http://h/": "http://h/?operation=",
    "http://h/scep": "http://h/scep?operation=",
    "http://h/scep/": "http://h/scep/?operation=",
    "https://h/scep?tenant=x": "https://h/scep?tenant=x&operation=",
    "http://h/s?b=2&a=1&": "http://h/s?b=2&a=1&operation=",
    "http://h/s?a=%2F%3D+&b=c?d": "http://h/s?a=%2F%3D+&b=c?d&operation=",
    "http://h/s?cooperation=1&operations=2": "http://h/s?cooperation=1&operations=2&operation=",
    "http://h//a;b/../c%20d": "http://h//a;b/../c%20d?operation=",
    "HTTP://Ca.Example:80/Scep": "HTTP://Ca.Example:80/Scep?operation=",
    "http://[::1]/s": "http://[::1]/s?operation=",
    "https://[2001:db8::1]:8443": "https://[2001:db8::1]:8443/cgi-bin/pkiclient.exe?operation=",
    "http://h/k\u00e4se?\u00fc=\u00df": "http://h/k%C3%A4se?%C3%BC=%C3%9F&operation=",
    "http://k\u00e4se.example/s": "http://k\u00e4se.example/s?operation=",
}


@pytest.mark.conforms("T-08", "T-10")
@pytest.mark.parametrize(("url", "expected"), URLS.items(), ids=range(len(URLS)))
def test_url_is_used_as_given(url: str, expected: str) -> None:
    for name, getter in GETTERS.items():
        assert getter(url).url == expected + name
    for method in HttpMethod:
        asked = http.pki_operation(url, MESSAGE, method=method).url
        assert asked.startswith(expected + "PKIOperation")


@pytest.mark.conforms("S-23")
@pytest.mark.parametrize(
    "url",
    [
        *("", "h", "/scep", "//h/scep", "h/scep", "h:80/scep", "http:/h", "http:", "http://"),
        *("http://:80/s", "http://?x", "file:///etc/passwd", "ftp://h/s", "javascript:1"),
        *("http://h:x/s", "http://h:0/s", "http://h:65536/s", "http://[::1/s"),
        *("http://h/a b", " http://h/s", "http://h/s\n", "http://h\t/s", "http://h/\x00"),
        *("http://h/\u00a0", "http://h/\ud800", "http://h\\@i/s", "http://h\u2100/s"),
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="has to look like http://host/path") as caught:
        http.get_ca_cert(url)
    assert caught.value.argument == "url"
    with pytest.raises(UsageError):
        http.pki_operation(url, MESSAGE, method=HttpMethod.POST)


@pytest.mark.conforms("S-23", "S-24")
@pytest.mark.parametrize("url", ["http://user:secret@h/s", "http://user@h/s", "http://h/s#x"])
def test_credentials_and_fragments_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="give credentials to the transport") as caught:
        http.get_ca_caps(url)
    assert caught.value.argument == "url"
    assert "secret" not in str(caught.value)


@pytest.mark.conforms("T-10")
@pytest.mark.parametrize("query", ["operation=PKIOperation", "a=1&OPERATION="])
def test_url_with_an_operation_is_refused(query: str) -> None:
    with pytest.raises(UsageError, match="leave it out") as caught:
        http.get_ca_caps(f"http://h/s?{query}")
    assert caught.value.argument == "url"


# -------------------------------------------------------------------------------- responses

Parse = Callable[..., bytes]
PARSERS = {
    "GetCACert": http.parse_get_ca_cert,
    "GetNextCACert": http.parse_get_next_ca_cert,
    "PKIOperation": http.parse_pki_operation,
}
parsers = pytest.mark.parametrize(("name", "parse"), PARSERS.items(), ids=PARSERS)
PAGE = (
    b"""\r\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN">
<html><head><title>404 - Not&nbsp;Found</title></head>
<body class="x>y"><h1>Server Error</h1>"""
    + b"<p>more</p>" * 500
)


def answer(
    body: bytes = MESSAGE, *, status: int = 200, content_type: str | None = None
) -> HttpResponse:
    headers = () if content_type is None else (("Content-Type", content_type),)
    return HttpResponse(status=status, headers=headers, body=body)


@pytest.mark.conforms("T-20", "T-22", "G-05")
@parsers
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/x-pki-message",
        "Application/X-PKI-Message; charset=utf-8",
        "APPLICATION/X-X509-CA-CERT",
        "application/x-x509-ra-ca-certs",
        "application/octet-stream",
        "text/html",
    ],
)
def test_content_decides_and_not_its_type(
    name: str, parse: Parse, content_type: str | None
) -> None:
    assert parse(answer(content_type=content_type)) == MESSAGE


@pytest.mark.conforms("T-24", "V-16")
@parsers
@pytest.mark.parametrize("status", [100, 302, 400, 401, 403, 404, 405, 407, 413, 414, 500, 503])
def test_http_error(name: str, parse: Parse, status: int) -> None:
    with pytest.raises(HttpError, match=f"^The server answered {name} with HTTP status") as caught:
        parse(answer(PAGE, status=status, content_type="text/html; charset=utf-8"))
    assert caught.value.status == status
    assert caught.value.content_type == "text/html; charset=utf-8"
    assert caught.value.excerpt.startswith('404 - Not&nbsp;Found y"> Server Error more')
    assert len(caught.value.excerpt) <= 160
    assert caught.value.excerpt in str(caught.value)


@pytest.mark.conforms("T-24")
@parsers
def test_error_status_is_an_error_with_a_message_too(name: str, parse: Parse) -> None:
    with pytest.raises(HttpError, match="HTTP status 500; its log has to tell why") as caught:
        parse(answer(status=500))
    assert caught.value.excerpt == ""
    assert caught.value.content_type is None


@pytest.mark.conforms("T-22", "T-24", "G-22")
@parsers
@pytest.mark.parametrize(
    ("body", "excerpt"),
    [
        (PAGE, "404 - Not&nbsp;Found y"),
        (b"MIIB", "MIIB"),
        (b"\x04\x01x", "\ufffd"),
        ("\ufeff<html>NDES".encode("utf-16"), "NDES"),
        (b"\xef\xbb\xbf<b>NDES", "NDES"),
        (b"one\r\n\x1b[2Jtwo\ttabs", "one [2Jtwo tabs"),
        (b"\x00\x01\x02", ""),
        (b"K\xc3\xa4se \xff", "K\u00e4se \ufffd"),
        (b"<unclosed", ""),
    ],
)
def test_other_content(name: str, parse: Parse, body: bytes, excerpt: str) -> None:
    with pytest.raises(HttpError, match="something else than a SCEP message") as caught:
        parse(answer(body))
    if excerpt != "\ufffd":
        assert caught.value.excerpt.startswith(excerpt)
    assert bool(caught.value.excerpt) is bool(excerpt)
    assert caught.value.excerpt.isprintable()
    assert caught.value.status == 200
    assert ("no Content-Type" in str(caught.value)) is bool(excerpt)


@pytest.mark.conforms("G-05")
def test_pem_of_a_ca_is_for_its_parser() -> None:
    pem = b"# for people\n-----BEGIN CERTIFICATE-----\n"
    assert http.parse_get_ca_cert(answer(pem)) == pem
    for parse in (http.parse_get_next_ca_cert, http.parse_pki_operation):
        with pytest.raises(HttpError, match="something else"):
            parse(answer(pem))


@pytest.mark.conforms("T-25", "G-22")
@parsers
@pytest.mark.parametrize("status", [200, 204])
def test_empty_body(name: str, parse: Parse, status: int) -> None:
    with pytest.raises(HttpError, match=f"{name} with an empty body; ") as caught:
        parse(answer(b"", status=status))
    assert ("http_method=HttpMethod.GET" in str(caught.value)) is (name == "PKIOperation")


@pytest.mark.conforms("T-27")
def test_too_long_for_a_get() -> None:
    with pytest.raises(HttpError, match=r"use http_method=HttpMethod\.POST") as caught:
        http.parse_pki_operation(answer(b"", status=414))
    assert caught.value.status == 414
    with pytest.raises(HttpError, match="check URL and server"):
        http.parse_get_ca_cert(answer(b"", status=414))


@pytest.mark.conforms("T-26")
def test_redirect_that_a_transport_lets_through() -> None:
    with pytest.raises(HttpError, match="it redirects, which is not followed"):
        http.parse_pki_operation(answer(b"", status=302))


@pytest.mark.conforms("T-24")
def test_texts_of_the_server_are_bounded() -> None:
    with pytest.raises(HttpError) as caught:
        http.parse_pki_operation(answer(b"x" * 10_000, content_type="a\x1b" + "b" * 10_000))
    assert len(str(caught.value)) < 600
    assert "\x1b" not in str(caught.value) + str(caught.value.content_type)


@pytest.mark.conforms("T-29")
@parsers
def test_size_of_a_response(name: str, parse: Parse) -> None:
    assert parse(answer(), limits=Limits(message_size=len(MESSAGE))) == MESSAGE
    with pytest.raises(LimitExceeded, match=f"The answer to {name} has 5 bytes") as caught:
        parse(answer(), limits=Limits(message_size=len(MESSAGE) - 1))
    assert caught.value.limit == "message_size"


@pytest.mark.conforms("C-16", "C-21", "C-27")
@pytest.mark.parametrize("content_type", [None, "text/plain", "application/octet-stream", "x"])
def test_capabilities(content_type: str | None) -> None:
    response = answer(b"AES\nSCEPStandard\n", content_type=content_type)
    response = replace(response, headers=(*response.headers, ("server", "Microsoft-IIS/10.0\x1b")))
    capabilities = http.parse_get_ca_caps(response)
    assert capabilities.keywords == {Capability.AES, Capability.SCEP_STANDARD}
    assert capabilities.answered
    assert capabilities.server == "Microsoft-IIS/10.0"


@pytest.mark.conforms("C-16")
@pytest.mark.parametrize("status", [301, 400, 404, 405, 500, 503])
def test_http_error_means_no_capabilities(status: int) -> None:
    refused = answer(b"AES\nSHA-256\n", status=status)
    assert http.parse_get_ca_caps(refused) == NO_CAPABILITIES
    assert not http.parse_get_ca_caps(refused).answered
    from_iis = replace(refused, headers=(("Server", "Microsoft-IIS/10.0"),))
    assert http.parse_get_ca_caps(from_iis) == replace(NO_CAPABILITIES, server="Microsoft-IIS/10.0")


@pytest.mark.conforms("C-16", "C-31")
@pytest.mark.parametrize("body", [b"", PAGE])
def test_nothing_useful_means_no_capabilities(body: bytes) -> None:
    capabilities = http.parse_get_ca_caps(answer(body))
    assert capabilities.keywords == NO_CAPABILITIES.keywords
    assert capabilities.answered


@pytest.mark.conforms("C-31")
def test_limits_of_capabilities() -> None:
    limits = Limits(capabilities_size=5)
    assert not http.parse_get_ca_caps(answer(b"x\ny\nAES\n"), limits=limits).keywords
