"""The command line enrols, renews and is refused by servers that others wrote."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pyscep.certificates import parse_certificate, parse_certificates
from pyscep.cli.program import run
from pyscep.cli.terminal import Terminal
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from tests.helpers import keys
from tests.interop.servers import Peer

# What has to be allowed besides the safe rules, and nothing more.
ALLOWANCES = {
    "scepserver": ["--read-legacy", "des", "--ignore-own-key-usage"],
    "step-ca": [],
}
SERVERS = ("scepserver", "labscep_aes", "labscep_ra", "labscep_get_only", "stepca")


def pyscep(*arguments: str) -> tuple[int, Any, str]:
    """Run a command a second later: the servers' certificates begin with this one."""
    out, err = io.StringIO(), io.StringIO()
    terminal = replace(
        Terminal(stdout=out, stderr=err),
        now=lambda: datetime.now(timezone.utc) + timedelta(seconds=1),
    )
    code = run([*arguments, "--json", "--verbose"], terminal=terminal)
    return code, json.loads(out.getvalue()), err.getvalue()


@pytest.fixture(params=SERVERS)
def peer(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Peer:
    found: Peer = request.getfixturevalue(request.param)
    monkeypatch.chdir(tmp_path)
    dump = OscryptoProvider().dump_private_key
    for number in (1, 2):
        Path(f"key-{number}.pem").write_bytes(dump(keys.rsa(number)))
    Path("challenge").write_text(found.challenge)
    Path("wrong").write_text("wrong")
    return found


def test_whole_life(peer: Peer) -> None:
    root = parse_certificate(peer.ca_certificate_pem.read_bytes())
    allowed = ALLOWANCES.get(peer.name, ["--ignore-own-key-usage"])
    trust = ["--fingerprint", root.sha256_fingerprint]

    code, shown, _ = pyscep("caps", peer.url)
    assert code == 0
    assert set(shown["keywords"]) <= set(peer.capabilities)
    code, shown, _ = pyscep("cacert", peer.url, *trust)
    assert code == 0
    assert "root" in {role for each in shown["certificates"] for role in each["roles"]}

    names = ["--subject", "CN=sensor-17,O=Example", "--san", "dns:sensor-17.example"]
    line = ["enrol", peer.url, *trust, *allowed, "--key", "key-1.pem", *names]
    line += ["--out", "one.pem", "--chain-out", "chain.pem"]
    code, shown, _ = pyscep(*line, "--challenge-file", "wrong")
    assert (code, shown["fail_info_name"]) == (3, "badRequest")
    code, shown, log = pyscep(*line, "--challenge-file", "challenge")
    assert (code, shown["chain_problem"]) == (0, None), (shown, log)
    assert peer.challenge not in log
    first = parse_certificate(Path("one.pem").read_bytes())
    assert first.public_key == keys.rsa(1).public_key
    assert parse_certificates(Path("chain.pem").read_bytes())[-1] == root

    renewal = ["renew", peer.url, "--ca", "chain.pem", *allowed, "--cert", "one.pem"]
    renewal += ["--cert-key", "key-1.pem", "--key", "key-2.pem", "--out", "two.pem"]
    code, shown, log = pyscep(*renewal, "--challenge-file", "challenge")
    assert code == 0, (shown, log)
    second = parse_certificate(Path("two.pem").read_bytes())
    assert second.public_key == keys.rsa(2).public_key
    assert second.subject == first.subject


def test_another_ca(peer: Peer) -> None:
    code, shown, _ = pyscep("cacert", peer.url, "--fingerprint", "01" * 32)
    assert (code, shown["error"]) == (7, "UntrustedCa")
