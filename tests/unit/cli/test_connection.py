from __future__ import annotations

from pathlib import Path

from pyscep.capabilities import HttpMethod
from pyscep.cli.connection import describe_request, describe_response
from pyscep.http import HttpRequest, HttpResponse, pki_operation
from pyscep.testing import EphemeralCa, Fault, MisbehavingServer
from tests.helpers import keys, responders
from tests.unit.cli.conftest import Shell

URL = "http://127.0.0.1/scep"


def test_a_message_is_described_alike_in_get_and_post() -> None:
    message = responders.begin(responders.new_responder(), transaction_id="abc").message
    for method in HttpMethod:
        lines = describe_request(pki_operation(URL, message, method=method)).splitlines()
        assert lines == [
            f"{method.value} {URL} PKIOperation",
            "  messageType PKCS_REQ, transactionID abc, signed with RSA_SHA256",
        ]


def test_other_requests_are_described_shortly() -> None:
    broken = HttpRequest(method="GET", url=f"{URL}?operation=PKIOperation&message=%00")
    assert describe_request(broken) == f"GET {URL} PKIOperation"
    assert describe_request(HttpRequest(method="POST", url=URL, body=b"x")) == f"POST {URL} ?"


def test_other_responses_are_described_shortly() -> None:
    page = HttpResponse(status=500, body=b"<html>")
    assert describe_response(page) == "500 no Content-Type, 6 bytes"


def test_a_timeout_is_a_number(shell: Shell) -> None:
    for text in ("soon", "nan", "0", "-1"):
        ended = shell("caps", URL, f"--timeout={text}")
        assert (ended.code, f"'{text}' is not a positive number" in ended.err) == (2, True)
    for text in ("inf", "1e300", "100000001"):
        ended = shell("caps", URL, "--timeout", text)
        assert (ended.code, f"'{text}' is too much; give 100000000" in ended.err) == (2, True)


def test_a_private_ca_for_tls(shell: Shell, work: Path, closed_port_url: str) -> None:
    Path("ca.pem").write_text(EphemeralCa.create(key=keys.rsa(0)).root.pem())
    url = closed_port_url.replace("http://", "https://")
    assert shell("caps", url, "--tls-ca", "ca.pem").code == 5
    refused = shell("caps", url, "--tls-ca", "challenge")
    assert refused.code == 2
    assert "challenge cannot be used to recognise TLS servers" in refused.err
    assert "On the command line: --tls-ca." in refused.err


def test_a_server_that_is_too_slow(
    shell: Shell, server: MisbehavingServer, work: Path, enrolment: list[str]
) -> None:
    server.misbehave(Fault.SLOW_BODY)
    ended = shell(*enrolment, "--timeout", "0.5", "--json")
    assert (ended.code, ended.json["facts"]["timed_out"]) == (5, True)
