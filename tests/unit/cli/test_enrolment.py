from __future__ import annotations

import json
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import pyscep
from pyscep.capabilities import HttpMethod
from pyscep.certificates import parse_certificate, parse_certificates
from pyscep.cli.saved_request import SavedRequest
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.errors import DecodeError
from pyscep.handlers import EnrolmentRequest, Issue, Refuse, static_challenge
from pyscep.names import build_name, name_from_text
from pyscep.testing import EphemeralCa, Fault, MisbehavingServer
from tests.helpers import keys
from tests.unit.cli.conftest import CHALLENGE, Shell

RENEWAL = ("--cert", "cert.pem", "--cert-key", "key-1.pem", "--out", "new.pem")


def names() -> set[str]:
    return {path.name for path in Path().iterdir()} - {
        "key-1.pem",
        "key-2.pem",
        "challenge",
        "wrong",
    }


def private(path: str) -> bool:
    return stat.S_IMODE(Path(path).stat().st_mode) == 0o600


@dataclass
class Clock:
    """A clock that only moves when somebody sleeps."""

    time: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    slept: list[float] = field(default_factory=list)
    at_sleep: Callable[[int], None] = lambda _: None

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)
        self.at_sleep(len(self.slept))


# ------------------------------------------------------------------------------------------- enrol


def test_enrol(shell: Shell, enrolment: list[str], authority: EphemeralCa, work: Path) -> None:
    ended = shell(*enrolment, "--san", "dns:a.example", "--chain-out", "chain.pem")
    assert (ended.code, ended.err) == (0, "")
    certificate = parse_certificate(Path("cert.pem").read_bytes())
    assert str(certificate.subject) == "CN=sensor-17,O=Example"
    assert certificate.public_key == keys.rsa(1).public_key
    assert parse_certificates(Path("chain.pem").read_bytes()) == (authority.root,)
    assert "Alternative names: dns:a.example" in ended.out
    assert f"Certificate in: {work / 'cert.pem'}" in ended.out
    assert names() == {"cert.pem", "chain.pem"}


def test_enrol_in_json(shell: Shell, enrolment: list[str], work: Path) -> None:
    shape = shell(*enrolment, "--json").json
    certificate = parse_certificate(Path("cert.pem").read_bytes())
    assert shape["certificate"]["sha256"] == certificate.sha256_fingerprint
    assert [each["subject"] for each in shape["chain"]] == ["CN=pyscep test CA"]
    del shape["certificate"], shape["chain"], shape["transaction_id"]
    assert shape == {
        "status": "success",
        "message_type": "PKCS_REQ",
        "polls": 0,
        "algorithms": {
            "content_encryption_algorithm": "AES128_CBC",
            "digest_algorithm": "SHA256",
            "key_encryption_algorithm": "RSA_PKCS1_V15",
            "http_method": "POST",
        },
        "chain_problem": None,
        "subject_changed": False,
        "reply_algorithms": {
            "content_encryption_algorithm": "AES128_CBC",
            "digest_algorithm": "SHA256",
        },
        "fail_info": None,
        "fail_info_name": None,
        "fail_info_text": None,
        "hresult": None,
        "explanation": None,
        "state": None,
        "out": str(work / "cert.pem"),
        "chain_out": None,
    }


def test_new_key(shell: Shell, enrolment: list[str]) -> None:
    line = [part if part != "key-1.pem" else "new.key" for part in enrolment]
    assert (refused := shell(*line)).code == 2
    assert "no file new.key; --new-key rsa:2048 makes the key" in refused.err
    Path("password").write_text("password of the key\n")
    line += ["--new-key", "rsa:2048", "--key-password-file", "password"]
    ended = shell(*line)
    assert (ended.code, ended.err) == (0, "Made the key new.key.\n")
    assert private("new.key")
    key = OscryptoProvider().load_private_key(
        Path("new.key").read_bytes(), password="password of the key"
    )
    assert parse_certificate(Path("cert.pem").read_bytes()).public_key == key.public_key
    Path("cert.pem").unlink()
    again = shell(*line)
    assert again.code == 2
    assert "new.key exists; leave --new-key out to use that key" in again.err


def test_no_key_is_made_for_another_ca(
    shell: Shell, enrolment: list[str], fingerprint: str
) -> None:
    line = [part if part != fingerprint else "00" * 32 for part in enrolment]
    line = [part if part != "key-1.pem" else "new.key" for part in line]
    assert shell(*line, "--new-key", "rsa:2048").code == 7
    assert names() == set()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (["--san", "host"], "not an alternative name"),
        (["--san", "ip:1.2.3"], "not an IP address"),
        (["--subject", "CN"], "not a distinguished name"),
        (["--challenge-env", "NOT_THERE"], "no environment variable"),
    ],
)
def test_no_key_is_made_for_a_request_that_cannot_be_built(
    shell: Shell, server: MisbehavingServer, work: Path, name: list[str], text: str
) -> None:
    line = ["enrol", server.url, "--fingerprint", "00" * 32, "--key", "new.key"]
    refused = shell(*line, "--new-key", "rsa:2048", "--subject", "CN=a", *name, "--out", "a.pem")
    assert (refused.code, text in refused.err) == (2, True)
    assert names() == set()
    assert server.log == []


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--out", "key-1.pem"], "key-1.pem is still needed as it is"),
        (["--chain-out", "link.pem"], "link.pem is still needed as it is"),
        (["--state", "key-1.pem"], "key-1.pem is still needed as it is"),
        (["--out", ""], "name of a file is empty"),
        (["--out", "-"], "not written to standard output"),
        (["--challenge-file", ""], "name of a file is empty"),
    ],
)
def test_force_has_its_limits(
    shell: Shell, enrolment: list[str], server: MisbehavingServer, more: list[str], text: str
) -> None:
    """The key that the certificate is for is never replaced by the certificate."""
    Path("link.pem").symlink_to("key-1.pem")
    before = Path("key-1.pem").read_bytes()
    refused = shell(*enrolment, "--force", *more)
    assert (refused.code, text in refused.err) == (2, True)
    assert Path("key-1.pem").read_bytes() == before
    assert server.log == []


def test_everything_is_checked_before_anything_is_sent(
    shell: Shell, enrolment: list[str], server: MisbehavingServer
) -> None:
    Path("cert.pem").write_text("precious")
    assert shell(*enrolment).code == 2
    assert Path("cert.pem").read_text() == "precious"
    Path("cert.pem").unlink()
    Path("chain.pem").touch()
    assert shell(*enrolment, "--chain-out", "chain.pem").code == 2
    assert shell(*enrolment, "--chain-out", "cert.pem").code == 2
    without = [part for part in enrolment if part != "--fingerprint" and len(part) != 64]
    assert shell(*without).code == 2
    assert server.log == []
    assert shell(*enrolment, "--force", "--chain-out", "chain.pem").code == 0


def test_a_file_that_comes_meanwhile_is_not_replaced(
    shell: Shell, enrolment: list[str], server: MisbehavingServer
) -> None:
    handle = server.handle

    def late(request: pyscep.HttpRequest) -> pyscep.HttpResponse:
        Path("cert.pem").write_text("precious")
        return handle(request)

    server.handle = late
    ended = shell(*enrolment)
    assert ended.code == 2
    assert "cert.pem exists" in ended.err
    assert "The certificate was issued all the same:\n-----BEGIN CERTIFICATE-----\n" in ended.err
    assert Path("cert.pem").read_text() == "precious"


def test_refused(shell: Shell, enrolment: list[str]) -> None:
    line = [part if part != "challenge" else "wrong" for part in enrolment]
    ended = shell(*line)
    assert ended.code == 3
    assert ended.out.startswith("Refused by the CA: badRequest (2).\n")
    assert "challenge password is wrong" in ended.out
    shape = shell(*line, "--json").json
    assert (shape["status"], shape["fail_info"], shape["fail_info_name"]) == (
        "failure",
        2,
        "badRequest",
    )
    assert "challenge password is wrong" in shape["explanation"]
    assert shape["certificate"] is None
    assert names() == set()


def test_the_words_of_the_ca_are_shown_safely(
    shell: Shell, enrolment: list[str], server: MisbehavingServer
) -> None:
    class Rude:
        def decide(self, request: object) -> Refuse:
            return Refuse(fail_info_text="no\x1b[2J\nIssued.")

    server.misbehaviour.responder = replace(server.responder, handler=Rude())
    ended = shell(*enrolment)
    assert "The CA says: no\\x1b[2J\\nIssued.\n" in ended.out


def test_no_reason_and_an_unknown_one(
    shell: Shell, enrolment: list[str], server: MisbehavingServer
) -> None:
    server.misbehave(Fault.REFUSED, Fault.UNKNOWN_FAIL_INFO)
    assert shell(*enrolment).out.startswith("Refused by the CA: 7.\n")
    server.misbehave(Fault.REFUSED, Fault.MISSING_FAIL_INFO)
    assert shell(*enrolment).out.startswith("Refused by the CA: no reason given.\n")


def test_another_subject(shell: Shell, enrolment: list[str], server: MisbehavingServer) -> None:
    class Renaming:
        def decide(self, request: object) -> Issue:
            return Issue(subject=build_name("CN=other"))

    server.misbehaviour.responder = replace(server.responder, handler=Renaming())
    ended = shell(*enrolment)
    assert ended.code == 0
    assert ended.err == "Warning: The CA issued another subject than was asked for.\n"


def test_an_incomplete_chain(shell: Shell, server: MisbehavingServer, enrolment: list[str]) -> None:
    below = EphemeralCa.create(key=keys.rsa(0), intermediates=1, publish_root=False)
    server.misbehaviour.responder = replace(server.responder, authority=below)
    line = [part if len(part) != 64 else below.issuer.sha256_fingerprint for part in enrolment]
    ended = shell(*line, "--fingerprint-of-intermediate")
    assert ended.code == 0
    assert "Warning: The certificate of CN=pyscep test root, which issued" in ended.err


def test_csr_of_ones_own(shell: Shell, enrolment: list[str]) -> None:
    made = ["csr", "--key", "key-1.pem", "--subject", "CN=made before", "--out", "a.csr"]
    assert shell(*made, "--challenge-file", "challenge").code == 0
    line = [*enrolment[:6], "--csr", "a.csr", "--out", "cert.pem"]
    assert shell(*line).code == 0
    assert str(parse_certificate(Path("cert.pem").read_bytes()).subject) == "CN=made before"
    for more in (["--subject", "CN=x"], ["--challenge-file", "challenge"], ["--san", "dns:x"]):
        refused = shell(*line, "--force", *more)
        assert (refused.code, "sent as it is" in refused.err) == (2, True)
    other_key = [part if part != "key-1.pem" else "key-2.pem" for part in line]
    assert shell(*other_key, "--force").code == 2


def test_a_request_needs_a_name(shell: Shell, enrolment: list[str]) -> None:
    line = [part for part in enrolment if part not in ("--subject", "CN=sensor-17,O=Example")]
    refused = shell(*line)
    assert (refused.code, "needs a name" in refused.err) == (2, True)
    assert shell(*line, "--san", "dns:only.example").code == 0


@pytest.mark.conforms("W-11")
def test_a_key_that_cannot_open_the_reply(
    shell: Shell, enrolment: list[str], server: MisbehavingServer
) -> None:
    words = {"key-1.pem": "ec.key", "challenge": "wrong"}
    line = [words.get(part, part) for part in enrolment]
    refused = shell(*line, "--new-key", "ec:secp256r1")
    assert refused.code == 2
    assert "cannot decrypt" in refused.err
    assert "16 random characters or more" in refused.err
    assert "On the command line: --challenge-file" in refused.err
    assert not any("PKIOperation" in entry.request.url for entry in server.log)


# -------------------------------------------------------------------------------------- algorithms


@pytest.mark.conforms("C-18", "C-23")
def test_no_downgrade_is_silent(
    shell: Shell, enrolment: list[str], server: MisbehavingServer
) -> None:
    server.misbehave(Fault.CAPABILITIES_STRIPPED)
    refused = shell(*enrolment)
    assert refused.code == 7
    assert "does not announce AES" in refused.err
    assert "choose --cipher aes128; --allow-legacy would use 3DES." in refused.err

    server.misbehaviour.responder = replace(
        server.responder,
        ciphers=frozenset(pyscep.ContentEncryptionAlgorithm),
        digests=frozenset(pyscep.DigestAlgorithm),
    )
    allowed = shell(*enrolment, "--allow-legacy", "--csr-digest", "sha1", "--json")
    assert allowed.code == 0
    assert allowed.err == (
        "Warning: The request is sent with DES_EDE3_CBC and SHA1, as you allow.\n"
        "Warning: The server's reply came with DES_EDE3_CBC and SHA1.\n"
    )
    assert allowed.json["algorithms"]["http_method"] == "GET"


def test_nothing_is_asked_for_if_everything_is_chosen(
    shell: Shell, enrolment: list[str], server: MisbehavingServer
) -> None:
    chosen = ["--cipher", "aes256", "--digest", "sha512", "--method", "get"]
    chosen += ["--key-encryption", "oaep-sha1"]
    ended = shell(*enrolment, *chosen, "--json")
    assert ended.code == 0
    assert ended.json["algorithms"] == {
        "content_encryption_algorithm": "AES256_CBC",
        "digest_algorithm": "SHA512",
        "key_encryption_algorithm": "RSA_OAEP_SHA1",
        "http_method": HttpMethod.GET.value,
    }
    assert not any("GetCACaps" in entry.request.url for entry in server.log)


@pytest.mark.conforms("C-22")
def test_scep_standard_can_be_required(
    shell: Shell, enrolment: list[str], server: MisbehavingServer
) -> None:
    server.misbehave(Fault.CAPABILITIES_STRIPPED)
    chosen = ["--cipher", "aes128", "--digest", "sha256", "--method", "post"]
    refused = shell(*enrolment, *chosen, "--scep-standard", "require")
    assert (refused.code, "--scep-standard" in refused.err) == (7, True)
    assert shell(*enrolment, "--scep-standard", "assume").code == 0


@pytest.mark.conforms("E-12", "E-21")
def test_single_des_is_read_where_it_is_named(
    shell: Shell, enrolment: list[str], server: MisbehavingServer
) -> None:
    server.misbehave(Fault.SINGLE_DES)
    refused = shell(*enrolment)
    assert refused.code == 7
    assert "or allow it with --read-legacy." in refused.err
    ended = shell(*enrolment, "--read-legacy", "des")
    assert ended.code == 0
    assert ended.err == "Warning: The server's reply came with DES_CBC.\n"


@pytest.mark.conforms("M-36")
def test_minimum_digest(shell: Shell, enrolment: list[str], server: MisbehavingServer) -> None:
    server.misbehave(Fault.SHA1)
    refused = shell(*enrolment, "--minimum-digest", "sha256")
    assert (refused.code, "--minimum-digest" in refused.err) == (7, True)
    assert shell(*enrolment).err == "Warning: The server's reply came with SHA1.\n"


def test_a_weak_key_is_told(shell: Shell, enrolment: list[str], server: MisbehavingServer) -> None:
    server.misbehaviour.responder = replace(server.responder, minimum_rsa_bits=1024)
    weak = OscryptoProvider().dump_private_key(keys.rsa(5, bits=1024))
    Path("weak.key").write_bytes(weak)
    line = [part if part != "key-1.pem" else "weak.key" for part in enrolment]
    ended = shell(*line)
    assert ended.code == 0
    assert "Warning: An RSA key of 1024 bits is weak" in ended.err


# ----------------------------------------------------------------------------- pending and polling


@pytest.mark.conforms("E-04", "E-26", "P-07")
def test_a_key_that_cannot_decrypt_is_given_the_challenge_at_each_step(
    shell: Shell, enrolment: list[str], server: MisbehavingServer, work: Path
) -> None:
    Path("key-1.pem").write_bytes(OscryptoProvider().dump_private_key(keys.ec(1)))
    server.misbehave(Fault.PENDING_FOREVER)
    sleeps: list[float] = []

    def approve(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 2:
            server.misbehave()

    ended = shell(*enrolment, "--wait", "1000", sleep=approve)
    assert (ended.code, len(sleeps)) == (0, 2)

    server.misbehave(Fault.PENDING_FOREVER)
    assert shell(*enrolment, "--force").code == 4
    server.misbehave()
    without = shell("poll", "cert.pem.state", "--force")
    assert without.code == 2
    assert "a poll has to be given that of its request" in without.err
    assert CHALLENGE not in Path("cert.pem.state").read_text()
    line = ["poll", "cert.pem.state", "--force", "--challenge-file", "challenge"]
    assert shell(*line).code == 0


@pytest.mark.conforms("X-05")
def test_pending_and_poll(
    shell: Shell, enrolment: list[str], server: MisbehavingServer, work: Path
) -> None:
    server.misbehave(Fault.PENDING_FOREVER)
    ended = shell(*enrolment, "--chain-out", "chain.pem")
    assert ended.code == 4
    assert "Ask again with: pyscep poll cert.pem.state" in ended.out
    assert names() == {"cert.pem.state"}
    assert private("cert.pem.state")

    once_more = shell(*enrolment)
    assert once_more.code == 2
    assert "a request is pending" in once_more.err
    again = shell("poll", "cert.pem.state", "--json")
    assert again.code == 4
    assert (again.json["status"], again.json["polls"]) == ("pending", 1)
    assert again.json["state"] == "cert.pem.state"
    assert again.json["out"] is None

    server.misbehave()
    ended = shell("poll", "cert.pem.state")
    assert ended.code == 0
    assert names() == {"cert.pem", "chain.pem"}
    gone = shell("poll", "cert.pem.state")
    assert (gone.code, "cannot be read" in gone.err) == (2, True)


def test_a_poll_that_is_refused_ends_the_request(
    shell: Shell, enrolment: list[str], server: MisbehavingServer
) -> None:
    server.misbehave(Fault.PENDING_FOREVER)
    assert shell(*enrolment, "--state", "waiting").code == 4
    server.misbehave(Fault.REFUSED)
    assert shell("poll", "waiting").code == 3
    assert names() == set()


@pytest.mark.conforms("P-09")
def test_wait(shell: Shell, enrolment: list[str], server: MisbehavingServer) -> None:
    server.misbehave(Fault.PENDING_TWICE)
    clock = Clock()
    ended = shell(*enrolment, "--wait", "300", "--interval", "20", now=clock.now, sleep=clock.sleep)
    assert ended.code == 0
    assert clock.slept == [20, 20]
    assert ended.err == (
        "Pending. Asking every 20 s; after Ctrl-C, go on with: pyscep poll cert.pem.state\n"
        "Still pending after 1 polls.\n"
    )
    assert names() == {"cert.pem"}


def test_wait_gives_up(shell: Shell, enrolment: list[str], server: MisbehavingServer) -> None:
    server.misbehave(Fault.PENDING_FOREVER)
    clock = Clock()
    line = [*enrolment, "--wait", "50", "--interval", "20"]
    ended = shell(*line, now=clock.now, sleep=clock.sleep)
    assert (ended.code, clock.slept) == (4, [20, 20])
    saved = SavedRequest.from_json(Path("cert.pem.state").read_text())
    assert saved.transaction.polls == 2
    clock = Clock()
    line = ["poll", "cert.pem.state", "--wait", "50", "--interval", "40"]
    ended = shell(*line, now=clock.now, sleep=clock.sleep)
    assert (ended.code, clock.slept) == (4, [40])
    assert "Still pending after 4 polls." in ended.err


def test_ctrl_c_while_waiting(
    shell: Shell, enrolment: list[str], server: MisbehavingServer
) -> None:
    server.misbehave(Fault.PENDING_FOREVER)

    def interrupt(count: int) -> None:
        if count == 2:
            raise KeyboardInterrupt

    clock = Clock(at_sleep=interrupt)
    ended = shell(*enrolment, "--wait", "300", now=clock.now, sleep=clock.sleep)
    assert ended.code == 130
    assert "go on with: pyscep poll cert.pem.state" in ended.err
    assert names() == {"cert.pem.state"}
    server.misbehave()
    assert shell("poll", "cert.pem.state").code == 0


def test_ctrl_c_during_the_exchange(
    shell: Shell, enrolment: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pyscep.Client, "enrol", interrupted)
    assert shell(*enrolment).code == 130
    assert names() == set()


def test_poll_uses_the_files_from_anywhere(
    shell: Shell,
    enrolment: list[str],
    server: MisbehavingServer,
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.misbehave(Fault.PENDING_FOREVER)
    assert shell(*enrolment).code == 4
    server.misbehave()
    (work / "below").mkdir()
    monkeypatch.chdir("below")
    Path("../key-1.pem").rename("moved.key")
    lost = shell("poll", "../cert.pem.state")
    assert (lost.code, "key-1.pem cannot be read" in lost.err) == (2, True)
    other = shell("poll", "../cert.pem.state", "--key", "../key-2.pem")
    assert (other.code, "not the key that signed" in other.err) == (2, True)
    assert shell("poll", "../cert.pem.state", "--key", "moved.key").code == 0
    assert Path("../cert.pem").exists()


def test_the_rules_are_remembered(
    shell: Shell, enrolment: list[str], server: MisbehavingServer
) -> None:
    server.misbehave(Fault.PENDING_FOREVER)
    more = ["--read-legacy", "des", "--read-legacy", "3des", "--minimum-digest", "sha256"]
    more += ["--ca-identifier", "two", "--ignore-own-key-usage"]
    assert shell(*enrolment, *more).code == 4
    saved = SavedRequest.from_json(Path("cert.pem.state").read_text())
    assert len(saved.rules.read_legacy_ciphers) == 2
    assert saved.rules.minimum_digest is pyscep.DigestAlgorithm.SHA256
    assert (saved.rules.ignore_key_usage, saved.ca_identifier) == (True, "two")
    assert not saved.ignore_ca_key_usage
    assert SavedRequest.from_json(saved.to_json()) == saved
    server.misbehave(Fault.SINGLE_DES)
    assert shell("poll", "cert.pem.state").code == 0


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"url": 7},
        {"transaction": {}},
        {"signer": "no PEM"},
        {"ca_certificates": [1]},
        {"rules": {}},
        {"rules": {"read_legacy_ciphers": ["MD5"], "minimum_digest": "SHA1"}},
    ],
)
def test_what_is_no_saved_request(
    shell: Shell, enrolment: list[str], server: MisbehavingServer, change: dict[str, object]
) -> None:
    server.misbehave(Fault.PENDING_FOREVER)
    assert shell(*enrolment).code == 4
    state = Path("cert.pem.state")
    state.write_text(json.dumps({**json.loads(state.read_text()), **change}))
    refused = shell("poll", "cert.pem.state")
    assert refused.code == 2
    assert refused.err.startswith("pyscep: cert.pem.state: ")


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "{}", " " * 300_000])
def test_other_text_is_no_saved_request(text: str) -> None:
    with pytest.raises(DecodeError):
        SavedRequest.from_json(text)


@pytest.mark.conforms("G-12")
def test_a_ca_that_is_used_against_its_key_usage(
    shell: Shell, enrolment: list[str], server: MisbehavingServer
) -> None:
    # Who signs may do nothing but encrypt, and the other way round.
    swapped = EphemeralCa.create(key=keys.rsa(0), single_ra=True)
    encrypting = keys.certify(
        "CN=RA", key=keys.rsa(3), issuer=swapped.identity, usages=keys.ENCRYPT
    )
    swapped = replace(swapped, signer=encrypting, recipients=(encrypting,))
    server.misbehaviour.responder = replace(server.responder, authority=swapped)
    server.misbehave(Fault.PENDING_FOREVER)
    root = swapped.root.sha256_fingerprint
    line = [part if len(part) != 64 else root for part in enrolment]
    refused = shell(*line)
    assert (refused.code, refused.out) == (7, "")
    assert shell(*line, "--ignore-ca-key-usage").code == 4
    server.misbehave()
    assert shell("poll", "cert.pem.state").code == 0


# ------------------------------------------------------------------------------------------- renew


@pytest.fixture
def renewal(enrolled: Path, server: MisbehavingServer) -> list[str]:
    assert enrolled.exists()
    return ["renew", server.url, "--ca", "chain.pem", *RENEWAL]


@pytest.mark.conforms("W-07", "C-28")
@pytest.mark.parametrize(
    ("more", "message_type", "announced"),
    [
        ([], "RENEWAL_REQ", True),
        ([], "PKCS_REQ", False),
        (["--renewal-as", "pkcs-req"], "PKCS_REQ", True),
        (["--renewal-as", "renewal-req"], "RENEWAL_REQ", True),
    ],
)
def test_renew(
    shell: Shell,
    renewal: list[str],
    server: MisbehavingServer,
    more: list[str],
    message_type: str,
    announced: bool,
) -> None:
    server.misbehaviour.responder = replace(server.responder, renewal=announced)
    ended = shell(*renewal, "--key", "key-2.pem", *more, "--json")
    assert ended.code == 0
    assert ended.json["message_type"] == message_type
    old = parse_certificate(Path("cert.pem").read_bytes())
    new = parse_certificate(Path("new.pem").read_bytes())
    assert new.subject == old.subject
    assert new.subject_alt_names == old.subject_alt_names != ()
    assert new.public_key == keys.rsa(2).public_key


def test_renew_with_the_same_key(shell: Shell, renewal: list[str]) -> None:
    assert shell(*renewal, "--same-key").code == 0
    assert parse_certificate(Path("new.pem").read_bytes()).public_key == keys.rsa(1).public_key


def test_renew_with_other_names(
    shell: Shell, renewal: list[str], server: MisbehavingServer
) -> None:
    handler = replace(static_challenge(CHALLENGE), renewal_may_change_subject=True)
    server.misbehaviour.responder = replace(server.responder, handler=handler)
    line = [*renewal, "--same-key", "--subject", "CN=b", "--san", "dns:b.example"]
    assert shell(*line).code == 0
    new = parse_certificate(Path("new.pem").read_bytes())
    assert str(new.subject) == "CN=b"
    assert [name.value for name in new.subject_alt_names] == ["b.example"]


def test_renew_with_a_long_name_that_the_certificate_has(
    shell: Shell, renewal: list[str], server: MisbehavingServer
) -> None:
    long = f"CN={'b' * 65}"
    refused = shell(*renewal, "--same-key", "--subject", long)
    assert refused.code == 2
    assert "has 65 characters, but may have 64 at most" in refused.err

    class Renaming:
        def decide(self, request: EnrolmentRequest) -> Issue:
            return Issue(subject=name_from_text(long))

    server.misbehaviour.responder = replace(server.responder, handler=Renaming())
    assert shell(*renewal, "--same-key").code == 0
    Path("new.pem").replace("cert.pem")
    for more in ([], ["--subject", long], ["--subject", long.replace("CN", "cn")]):
        assert shell(*renewal, "--same-key", *more).code == 0
        Path("new.pem").unlink()


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ([], "Give either --key"),
        (["--key", "key-2.pem", "--same-key"], "Give either --key"),
        (["--same-key", "--new-key", "rsa:2048"], "--new-key needs --key"),
        (["--key", "./key-1.pem", "--new-key", "rsa:2048", "--force"], "would replace the one"),
        (["--same-key", "--cert", "chain.pem"], "chain.pem has no certificate for the given key"),
        (["--same-key", "--cert", "challenge"], "challenge has no certificate that can be read"),
        (["--same-key", "--out", "key-1.pem", "--force"], "key-1.pem is still needed"),
        (["--key", "key-2.pem", "--out", "./key-2.pem", "--force"], "key-2.pem is still needed"),
        (["--same-key", "--wait", "1e300"], "'1e300' is too much"),
        (["--same-key", "--wait", "9", "--interval", "1e-9"], "without a pause"),
    ],
)
def test_renew_usage(
    shell: Shell, renewal: list[str], server: MisbehavingServer, more: list[str], text: str
) -> None:
    before = Path("key-1.pem").read_bytes()
    server.reset()
    refused = shell(*renewal, *more)
    assert refused.code == 2
    assert text in refused.err
    assert server.log == []
    assert Path("key-1.pem").read_bytes() == before


@pytest.mark.conforms("W-16")
def test_an_expired_certificate_is_not_renewed(shell: Shell, renewal: list[str]) -> None:
    clock = Clock(time=datetime.now(timezone.utc) + timedelta(days=400))
    refused = shell(*renewal, "--same-key", now=clock.now)
    assert (refused.code, "use `pyscep enrol`" in refused.err) == (2, True)


def test_a_renewal_that_has_to_wait(
    shell: Shell, renewal: list[str], server: MisbehavingServer
) -> None:
    server.misbehave(Fault.PENDING_FOREVER)
    assert shell(*renewal, "--key", "key-2.pem").code == 4
    server.misbehave()
    assert shell("poll", "new.pem.state").code == 0
    assert parse_certificate(Path("new.pem").read_bytes()).public_key == keys.rsa(2).public_key
