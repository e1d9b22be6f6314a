"""``pyscep inspect``: text and JSON, keys and signers from files, nothing secret."""

from __future__ import annotations

import base64
import functools
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from pyscep.begin import pkcs_req
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.inspection import Kind, Level
from pyscep.testing import MisbehavingServer
from tests.helpers import key_kinds, keys, responders
from tests.helpers.message_factory import Envelope, cert_rep, request
from tests.unit.cli.conftest import CHALLENGE, Shell

CA = keys.ca()


@functools.cache
def locked_key() -> bytes:
    # The password is made slow on purpose.
    return OscryptoProvider().dump_private_key(CA.key, password="open sesame")


@pytest.fixture
def files(work: Path) -> Path:
    """Be in a directory with a request, a reply, keys and certificates."""
    csr = responders.csr(challenge_password=CHALLENGE).der
    envelope = Envelope(recipient=CA.certificate, content=csr).encode()
    message = request(content=envelope).encode()
    Path("request.der").write_bytes(message)
    Path("request.txt").write_bytes(base64.encodebytes(message))
    Path("reply.der").write_bytes(cert_rep(pki_status="2", fail_info="2").encode())
    Path("csr.der").write_bytes(csr)
    Path("ca.key").write_bytes(OscryptoProvider().dump_private_key(CA.key))
    Path("ca-locked.key").write_bytes(locked_key())
    Path("password").write_text("open sesame\n")
    Path("ca.pem").write_text(CA.certificate.pem())
    Path("stranger.pem").write_text(keys.stranger().certificate.pem())
    return work


def test_a_request_in_words(files: Path, shell: Shell) -> None:
    outcome = shell("inspect", "request.der", "--key", "ca.key")
    assert outcome.code == 0
    assert outcome.out.startswith("This is a SCEP message (")
    for line in (
        "Message type:           PKCSReq",
        "Signature:              verifies",
        "Envelope:               opened",
        "  Subject:            CN=sensor-17,O=Example",
        "  Challenge password: yes (not shown)",
        "  S-03  NOTE    The signature fits the enclosed certificate",
    ):
        assert line in outcome.out
    assert CHALLENGE not in outcome.out


def test_a_request_as_json(files: Path, shell: Shell) -> None:
    plain = shell("inspect", "request.der", "--key", "ca.key", "--json")
    locked = shell(
        "inspect", "request.txt", "--key", "ca-locked.key", "--password-file", "password", "--json"
    )
    assert plain.json == locked.json
    assert list(plain.json) == [
        "kind", "message_type", "transaction_id", "sender_nonce", "recipient_nonce", "pki_status",
        "fail_info", "fail_info_text", "digest_algorithm", "signature_algorithm",
        "content_encryption_algorithm", "key_encryption_algorithm", "password_recipient",
        "signature", "decrypted", "certificates", "crls", "csr", "findings",
    ]  # fmt: skip
    assert plain.json["csr"] == {
        "subject": "CN=sensor-17,O=Example",
        "sans": [],
        "has_challenge": True,
        "signature": "valid",
    }
    assert CHALLENGE not in plain.out


@pytest.mark.parametrize(
    ("signers", "signature"),
    [
        ([], "not checked"),
        (["ca.pem"], "valid"),
        (["stranger.pem"], "invalid"),
        (["stranger.pem", "ca.pem"], "valid"),
    ],
)
def test_signers(files: Path, shell: Shell, signers: list[str], signature: str) -> None:
    options = [part for name in signers for part in ("--signer", name)]
    shown = shell("inspect", "reply.der", *options, "--json").json
    assert shown["signature"] == signature
    assert (shown["pki_status"], shown["fail_info"]) == ("FAILURE", "badRequest")


def test_standard_input(files: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = SimpleNamespace(buffer=io.BytesIO(Path("request.der").read_bytes()))
    monkeypatch.setattr("sys.stdin", stdin)
    assert shell("inspect", "-", "--json").json["message_type"] == "PKCSReq"


def test_every_kind_has_a_name(files: Path, shell: Shell) -> None:
    from pyscep.cli.inspect import _NAMES, _STATES
    from pyscep.inspection import SignatureState

    assert set(_NAMES) == set(Kind)
    assert set(_STATES) == set(SignatureState)
    outcome = shell("inspect", "csr.der")
    assert "This is a certification request (PKCS #10)" in outcome.out
    assert "H-15" in outcome.out
    assert CHALLENGE not in outcome.out


def test_what_is_told_by_its_kind_alone(files: Path, shell: Shell) -> None:
    Path("nothing").write_bytes(b"\xff\xfe\x00\x01")
    outcome = shell("inspect", "nothing")
    assert (outcome.code, outcome.out) == (0, "This is nothing that SCEP has (4 bytes).\n")


def test_a_challenge_password_opens_what_it_encrypts(files: Path, shell: Shell) -> None:
    ec_responder = key_kinds.new_responder("EC")
    exchange = pkcs_req(
        key_kinds.csr("EC"),
        identity=key_kinds.self_signed("EC"),
        ca=responders.trust(ec_responder),
        provider=keys.provider(),
    )
    Path("request.der").write_bytes(exchange.message)
    Path("right").write_text(f"{key_kinds.CHALLENGE}\n")
    Path("wrong").write_text("nobody knows this one\n")
    closed = shell("inspect", "request.der")
    assert "Envelope:               not opened" in closed.out
    opened = shell("inspect", "request.der", "--challenge-file", "right")
    for outcome in (closed, opened):
        for line in (
            "Key encryption:         PASSWORD",
            "Key derivation:         PBKDF2, HMAC_SHA256, 10000 iterations, 16 bytes of salt",
            "Key wrap:               PWRI-KEK, AES128_CBC",
        ):
            assert line in outcome.out
    assert "Envelope:               opened" in opened.out
    assert "  Subject:            CN=sensor-17,O=Example" in opened.out
    assert "  Challenge password: yes (not shown)" in opened.out
    shown = shell("inspect", "request.der", "--challenge-file", "right", "--json")
    assert (shown.json["decrypted"], shown.json["csr"]["has_challenge"]) == (True, True)
    wrong = shell("inspect", "request.der", "--challenge-file", "wrong", "--json")
    assert wrong.json["decrypted"] is False
    for outcome in (closed, opened, shown, wrong):
        assert outcome.code == 0
        assert key_kinds.CHALLENGE not in outcome.out + outcome.err
        assert "nobody knows this one" not in outcome.out + outcome.err


def test_findings_that_weigh_more_come_first(files: Path, shell: Shell) -> None:
    Path("bad.der").write_bytes(cert_rep(pki_status="1").without("senderNonce").encode() + b"\0\0")
    lines = shell("inspect", "bad.der").out.partition("Findings:\n")[2].splitlines()
    levels = [Level(line.split()[1]) for line in lines]
    assert levels == sorted(levels, key=list(Level).index)
    assert {"M-12", "M-22", "M-42"} <= {line.split()[0] for line in lines}


def test_certificates_and_crls(files: Path, shell: Shell) -> None:
    authority = responders.authority()
    Path("crl.der").write_bytes(authority.crl(at=keys.NOW))
    crl = shell("inspect", "crl.der")
    assert "Issuer:   CN=pyscep test CA" in crl.out
    assert "Validity: 2026-06-01T00:00:00Z to 2026-06-02T00:00:00Z" in crl.out
    shown = shell("inspect", "ca.pem")
    assert "Certificate 1:\n  Subject:       CN=Test CA,O=Example" in shown.out
    assert "Nothing in it departs from RFC 8894." in shown.out


def test_private_keys_are_not_shown(files: Path, shell: Shell) -> None:
    outcome = shell("inspect", "ca.key")
    assert "a private key, which is not shown" in outcome.out
    assert "RSA with 2048 bits" in outcome.out
    encoded = Path("ca.key").read_text().splitlines()[3]
    assert encoded not in outcome.out + outcome.err
    assert "RFC 8894" not in outcome.out
    Path("headless").write_text(Path("ca.key").read_text().partition("\n")[2])
    assert encoded not in shell("inspect", "headless").out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["inspect", "missing"], "missing cannot be read"),
        (["inspect", "request.der", "--key", "missing"], "missing cannot be read"),
        (["inspect", "request.der", "--key", "ca.pem"], "ca.pem: "),
        (["inspect", "request.der", "--key", "ca-locked.key"], "ca-locked.key: "),
        (["inspect", "request.der", "--signer", "ca.key"], "ca.key has no certificate"),
        (["inspect", "reply.der", "--request", "missing"], "missing cannot be read"),
        (["inspect", "reply.der", "--request", "reply.der"], "command line: --request."),
        (["inspect"], "FILE"),
    ],
)
def test_usage(files: Path, shell: Shell, arguments: list[str], text: str) -> None:
    outcome = shell(*arguments)
    assert outcome.code == 2
    assert text in outcome.err
    assert outcome.out == ""


def test_what_a_server_answers(
    server: MisbehavingServer, files: Path, shell: Shell, fingerprint: str
) -> None:
    """From the server's log: what went out and came back, each explained."""
    enrolled = shell(
        "enrol", server.url, "--fingerprint", fingerprint, "--key", "key-1.pem",
        "--subject", "CN=sensor", "--challenge-file", "challenge", "--out", "device.pem",
    )  # fmt: skip
    assert enrolled.code == 0
    exchange = server.log[-1]
    Path("sent").write_bytes(exchange.request.body)
    Path("came").write_bytes(exchange.response.body)
    root = responder_root(server)
    Path("root.pem").write_text(root)
    sent = shell("inspect", "sent", "--json").json
    came = shell("inspect", "came", "--key", "key-1.pem", "--signer", "root.pem", "--json").json
    assert sent["message_type"] == "PKCSReq"
    assert came["recipient_nonce"] == sent["sender_nonce"]
    assert came["transaction_id"] == sent["transaction_id"]
    assert (came["signature"], came["decrypted"], came["findings"]) == ("valid", True, [])
    assert json.dumps(sent)
    line = ["inspect", "came", "--key", "key-1.pem", "--signer", "root.pem", "--request"]
    assert "Answers:                the given request\n" in shell(*line, "sent").out
    assert "E-20  MUST" in shell(*line, "request.der").out


def responder_root(server: MisbehavingServer) -> str:
    return server.responder.authority.published[-1].pem()
