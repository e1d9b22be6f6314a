from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO

import pytest

import pyscep
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.testing import EphemeralCa, Fault, MisbehavingServer, Misbehaviour
from pyscep.testing.profiles import PROFILES
from pyscep.transport import RequestsTransport
from tests.helpers import keys
from tests.unit.cli.conftest import CHALLENGE, Shell

Visit = Callable[[str], None]


@pytest.fixture
def port(closed_port_url: str) -> str:
    return closed_port_url.rpartition(":")[2].partition("/")[0]


def visited(visit: Visit, url: str) -> Callable[[float], None]:
    """Return a sleep in which somebody visits the server and then presses Ctrl-C."""

    def sleep(_: float) -> None:
        visit(url)
        raise KeyboardInterrupt

    return sleep


def enrol(url: str, challenge: str | None = CHALLENGE) -> pyscep.Reply:
    with RequestsTransport(timeout=10) as send:
        client = pyscep.Client(url, send=send)
        now = datetime.now(timezone.utc)
        ca = client.get_ca_cert().authenticate_without_verification(reason="a test", at=now)
        key = keys.rsa(1)
        csr = pyscep.build_csr(subject="CN=a", key=key, challenge_password=challenge)
        identity = pyscep.self_signed_identity(
            csr, key=key, not_before=now, lifetime=timedelta(days=1)
        )
        return client.enrol(csr, identity=identity, ca=ca)


def test_serve(shell: Shell, work: Path, port: str) -> None:
    replies: list[pyscep.Reply] = []

    def visit(url: str) -> None:
        replies.append(enrol(url))
        replies.append(enrol(url, "wrong"))

    ended = shell(
        *("serve", "--challenge-file", "challenge", "--port", port, "--lifetime", "7"),
        sleep=visited(visit, f"http://127.0.0.1:{port}/scep"),
    )
    assert ended.code == 0
    assert ended.out.startswith(f"URL:         http://127.0.0.1:{port}/scep\nFingerprint: ")
    assert "Imitates:    RFC 8894" in ended.out
    issued, refused = replies
    assert isinstance(issued, pyscep.Success)
    assert isinstance(refused, pyscep.Failure)
    certificate = issued.certificate
    assert certificate.not_after - certificate.not_before == timedelta(days=7)
    assert ended.err.splitlines()[:3] == [
        "GET /scep GetCACert: 200",
        "GET /scep GetCACaps: 200",
        "POST /scep PKIOperation: 200",
    ]
    assert ended.err.endswith("Stopped.\n")


@pytest.mark.conforms("E-04", "E-05")
def test_serve_with_a_key_that_cannot_decrypt(shell: Shell, work: Path, port: str) -> None:
    Path("ca.pem").write_text(EphemeralCa.create(key=keys.ec(0)).root.pem())
    Path("ca.key").write_bytes(OscryptoProvider().dump_private_key(keys.ec(0)))
    replies: list[pyscep.Reply] = []
    ended = shell(
        *("serve", "--ca-cert", "ca.pem", "--ca-key", "ca.key", "--port", port),
        *("--challenge-file", "challenge"),
        sleep=visited(lambda url: replies.append(enrol(url)), f"http://127.0.0.1:{port}/scep"),
    )
    assert ended.code == 0
    assert isinstance(replies[0], pyscep.Success)


def test_serve_in_json_with_faults(shell: Shell, work: Path, port: str) -> None:
    def visit(url: str) -> None:
        with pytest.raises(pyscep.NonceMismatch):
            enrol(url, None)

    ended = shell(
        *("serve", "--issue-to-anybody", "--port", port, "--json", "--verbose"),
        *("--fault", "wrong-recipient-nonce", "--fault", "SHA1", "--profile", "ejbca"),
        sleep=visited(visit, f"http://127.0.0.1:{port}/"),
    )
    shape = ended.json
    assert len(shape.pop("fingerprint")) == 64
    assert shape == {
        "url": f"http://127.0.0.1:{port}/ejbca/publicweb/apply/scep/pkiclient.exe",
        "profile": "ejbca",
        "faults": ["wrong-recipient-nonce", "sha1"],
    }
    assert "  messageType PKCS_REQ, transactionID " in ended.err
    assert "  messageType CERT_REP, pkiStatus SUCCESS, transactionID " in ended.err


def test_a_ca_and_a_store_of_ones_own(shell: Shell, work: Path, port: str) -> None:
    authority = EphemeralCa.create(key=keys.rsa(0))
    Path("ca.pem").write_text(authority.root.pem())
    dump = OscryptoProvider().dump_private_key
    Path("ca.key").write_bytes(dump(keys.rsa(0), password=CHALLENGE, iterations=10_000))
    line = ["serve", "--ca-cert", "ca.pem", "--ca-key", "ca.key", "--port", port]
    line += ["--ca-key-password-file", "challenge", "--challenge-file", "challenge"]
    line += ["--store", "store.sqlite", "--one-time"]
    replies: list[pyscep.Reply] = []
    for _ in range(2):
        ended = shell(
            *line,
            sleep=visited(lambda url: replies.append(enrol(url)), f"http://127.0.0.1:{port}/"),
        )
        assert ended.code == 0
        assert f"Fingerprint: {authority.root.sha256_fingerprint}\n" in ended.out
    assert [type(reply) for reply in replies] == [pyscep.Success, pyscep.Failure]
    assert Path("store.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_ca_of_ones_own_is_a_root(shell: Shell, enrolled: Path) -> None:
    line = ["serve", "--issue-to-anybody", "--ca-cert", "cert.pem", "--ca-key", "key-1.pem"]
    ended = shell(*line)
    assert (ended.code, "cert.pem is no root" in ended.err) == (2, True)


def test_next_ca(shell: Shell, work: Path, port: str) -> None:
    found: list[bool] = []

    def visit(url: str) -> None:
        with RequestsTransport(timeout=10) as send:
            capabilities = pyscep.Client(url, send=send).get_ca_caps()
        found.append(capabilities.supports(pyscep.Capability.GET_NEXT_CA_CERT))

    line = ["serve", "--issue-to-anybody", "--next-ca", "--port", port]
    assert shell(*line, sleep=visited(visit, f"http://127.0.0.1:{port}/")).code == 0
    assert found == [True]


def test_list(shell: Shell) -> None:
    shown = shell("serve", "--list", "--json").json
    assert set(shown["profiles"]) == {profile.name for profile in PROFILES}
    assert len(shown["faults"]) == len(Fault)
    assert shown["faults"]["single-des"] == "content under single DES"
    assert "  single-des:" in shell("serve", "--list").out


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ([], "Give either a challenge password"),
        (["--issue-to-anybody", "--challenge-file", "challenge"], "Give either"),
        (["--issue-to-anybody", "--fault", "none"], "`pyscep serve --list` shows their names"),
        (["--issue-to-anybody", "--lifetime", "1e9"], "'1e9' is too much; give 36500"),
        (["--issue-to-anybody", "--profile", "none"], "There is no profile 'none'"),
        (["--issue-to-anybody", "--port", "65536"], "'65536' is not a port"),
        (["--issue-to-anybody", "--ca-key", "key-1.pem"], "needs both --ca-cert and --ca-key"),
        (
            ["--issue-to-anybody", "--ca-key", "key-1.pem", "--ca-cert", "x", "--profile", "ndes"],
            "ndes has certificates of its own",
        ),
        (["--issue-to-anybody", "--store", "challenge"], "The store challenge cannot be used"),
    ],
)
def test_usage(shell: Shell, work: Path, more: list[str], text: str) -> None:
    ended = shell("serve", *more)
    assert ended.code == 2
    assert text in ended.err


def test_internal_errors_are_told(shell: Shell, port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Misbehaviour, "handle", defect)

    def visit(url: str) -> None:
        with pytest.raises(pyscep.HttpError):
            enrol(url)

    line = ["serve", "--issue-to-anybody", "--port", port]
    ended = shell(*line, sleep=visited(visit, f"http://127.0.0.1:{port}/"))
    assert ended.code == 0
    assert "Warning: A request ended in an internal error: ZeroDivisionError()" in ended.err


def test_a_port_that_is_taken(shell: Shell, server: MisbehavingServer) -> None:
    port = server.url.rpartition(":")[2].partition("/")[0]
    ended = shell("serve", "--issue-to-anybody", "--port", port)
    assert (ended.code, f"Port {port} cannot be used" in ended.err) == (2, True)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pyscep", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_line_of(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


def test_processes_and_ctrl_c(work: Path) -> None:
    """Serve in one process, wait in another; interrupt both."""
    with start(*("serve", "--challenge-file", "challenge", "--fault", "pending-forever")) as server:
        url = first_line_of(server.stdout).split()[1]
        fingerprint = first_line_of(server.stdout).split()[1]
        line = ["enrol", url, "--fingerprint", fingerprint, "--key", "key-1.pem"]
        line += ["--subject", "CN=a", "--challenge-file", "challenge", "--out", "cert.pem"]
        with start(*line, "--wait", "600", "--json") as client:
            assert first_line_of(client.stderr).startswith("Pending. Asking every 60 s;")
            client.send_signal(signal.SIGINT)
            out, err = client.communicate(timeout=60)
        assert client.returncode == 130
        assert err == ""
        assert json.loads(out)["error"] == "KeyboardInterrupt"
        assert Path("cert.pem.state").exists()
        assert not list(Path().glob(".*"))
        assert not Path("cert.pem").exists()
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=60)
    assert server.returncode == 0
