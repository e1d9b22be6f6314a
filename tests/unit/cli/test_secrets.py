"""Whatever a command prints or keeps, no secret is in it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from pyscep.testing import Fault, MisbehavingServer
from tests.unit.cli.conftest import CHALLENGE, Outcome, Shell

PASSWORD = "pl4nted-password-of-the-key"


def spellings(secret: str) -> set[str]:
    octets = secret.encode()
    # Three alignments, without the characters at the ends that depend on what is beside it.
    encoded = (base64.b64encode(bytes(shift) + octets)[4:-4].decode() for shift in range(3))
    return {secret, octets.hex(), *encoded}


def contents_of_keys() -> set[str]:
    """Return lines out of the middle of each private key."""
    return {Path(name).read_text().splitlines()[5] for name in ("key-1.pem", "key-2.pem")}


@pytest.mark.conforms("S-24")
def test_nothing_secret_is_printed_or_kept(
    shell: Shell, enrolment: list[str], server: MisbehavingServer
) -> None:
    Path("password").write_text(PASSWORD)
    ended: list[Outcome] = []

    def command(*arguments: str, code: int = 0) -> None:
        for more in ([], ["--json"]):
            outcome = shell(*arguments, "--verbose", *more)
            assert outcome.code == code, outcome
            ended.append(outcome)

    keep = ["--force", "--chain-out", "chain.pem"]
    command(*enrolment, *keep)
    command(*enrolment, *keep, "--method", "get")
    command(*enrolment, *keep, "--challenge-prompt", code=2)
    renewal = ["renew", server.url, "--ca", "chain.pem", "--cert", "cert.pem"]
    renewal += ["--cert-key", "key-1.pem", "--key", "key-2.pem", "--out", "new.pem"]
    command(*renewal, "--challenge-file", "challenge", "--force")
    server.misbehave(Fault.REFUSED)
    command(*enrolment, *keep, code=3)
    server.misbehave(Fault.HTML_PAGE)
    command(*enrolment, *keep, code=6)
    server.misbehave(Fault.SIGNED_BY_STRANGER)
    command(*enrolment, *keep, code=7)
    server.misbehave(Fault.CLOSED_CONNECTION)
    command(*enrolment, *keep, code=5)
    server.misbehave(Fault.PENDING_FOREVER)
    command(*enrolment, *keep, code=4)
    command("poll", "cert.pem.state", "--force", code=4)
    locked = ["--key", "locked.key", "--key-password-file", "password"]
    command("key", "locked.key", "--password-file", "password", "--force")
    asked = ["--subject", "CN=a", "--challenge-file", "challenge", "--out", "a.csr", "--force"]
    command("csr", *locked, *asked)
    command("csr", "--key", "locked.key", *asked, code=2)
    command("csr", *locked[:3], "challenge", *asked, code=2)

    printed = "".join(outcome.out + outcome.err for outcome in ended)
    kept = Path("cert.pem.state").read_text() + Path("cert.pem").read_text()
    assert "PKIOperation" in printed
    for secret in {*spellings(CHALLENGE), *spellings(PASSWORD), *contents_of_keys()}:
        assert secret not in printed
        assert secret not in kept
    # What must not be found elsewhere can be found: in the request, which holds the challenge.
    request = base64.b64decode("".join(Path("a.csr").read_text().splitlines()[1:-1]))
    assert CHALLENGE.encode() in request


def test_credentials_and_query_of_the_url_are_not_shown(
    shell: Shell, server: MisbehavingServer
) -> None:
    shown = shell("caps", f"{server.url}?token=hush", "--verbose")
    assert shown.code == 0
    assert "GetCACaps" in shown.err
    assert "hush" not in shown.out + shown.err
    refused = shell("caps", server.url.replace("http://", "http://user:hush@"), "--verbose")
    assert refused.code == 2
    assert "hush" not in refused.out + refused.err
