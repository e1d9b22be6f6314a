from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pyscep.ca import parse_ca_certificates
from pyscep.certificates import parse_certificates
from pyscep.cli.shapes import serial, sha1_fingerprint
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa, Fault, MisbehavingServer
from tests.helpers import keys
from tests.unit.cli.conftest import Shell

# -------------------------------------------------------------------------------------------- caps


def test_caps(shell: Shell, server: MisbehavingServer) -> None:
    shown = shell("caps", server.url)
    assert shown.code == 0
    assert shown.out.splitlines()[0] == "Answered:       yes"
    assert "AES, POSTPKIOperation, Renewal, SCEPStandard, SHA-256, SHA-512" in shown.out
    assert "Enrolment uses: AES128_CBC, SHA256, RSA_PKCS1_V15, POST" in shown.out


def test_caps_in_json(shell: Shell, server: MisbehavingServer) -> None:
    server.misbehave(Fault.CAPABILITIES_STRIPPED)
    shown = shell("caps", server.url, "--json")
    assert shown.json["keywords"] == ["DES3", "SHA-1"]
    assert shown.json["proposal"] is None
    assert "does not announce AES" in shown.json["problem"]
    assert (shown.json["answered"], shown.json["unknown"]) == (True, [])


@pytest.mark.conforms("C-16")
def test_caps_of_a_server_that_does_not_know_it(shell: Shell, server: MisbehavingServer) -> None:
    server.misbehave(Fault.CAPABILITIES_ERROR)
    shown = shell("caps", server.url)
    assert shown.code == 0
    assert "Answered:       no, so it has no capabilities\nKeywords:       none\n" in shown.out


def test_verbose(shell: Shell, server: MisbehavingServer) -> None:
    shown = shell("caps", server.url, "--verbose", "--ca-identifier", "two")
    assert shown.err.splitlines() == [
        f"> GET {server.url} GetCACaps",
        f"< 200 text/plain, {len(server.log[0].response.body)} bytes",
    ]
    assert "message=two" in server.log[0].request.url


# ------------------------------------------------------------------------------------------ cacert


def test_cacert_without_trust(
    shell: Shell, server: MisbehavingServer, authority: EphemeralCa
) -> None:
    shown = shell("cacert", server.url)
    assert shown.code == 0
    assert shown.out.startswith("Not authenticated: anybody on the network can have sent these.")
    assert f"SHA-256:       {authority.root.sha256_fingerprint}" in shown.out
    assert f"SHA-1:         {sha1_fingerprint(authority.root)}" in shown.out
    assert "Roles:         issuer, signer, recipient, root" in shown.out


def test_cacert_in_json(shell: Shell, server: MisbehavingServer, authority: EphemeralCa) -> None:
    root = authority.root
    shown = shell("cacert", server.url, "--json").json
    assert shown == {
        "authenticated": False,
        "certificates": [
            {
                "subject": "CN=pyscep test CA",
                "issuer": "CN=pyscep test CA",
                "serial": serial(root.serial_number),
                "not_before": f"{root.not_before:%Y-%m-%dT%H:%M:%SZ}",
                "not_after": f"{root.not_after:%Y-%m-%dT%H:%M:%SZ}",
                "subject_alt_names": [],
                "key": "RSA 2048",
                "sha256": root.sha256_fingerprint,
                "sha1": sha1_fingerprint(root),
                "roles": ["issuer", "signer", "recipient", "root"],
            }
        ],
        "problem": None,
    }


@pytest.mark.parametrize(
    "spelling",
    [
        "{sha256}",
        "sha256:{sha256}",
        "SHA256/{sha256}",
        "sha256 Fingerprint={sha256}",
        "{colons}",
        "{sha1}",
        "sha1:{sha1}",
        "SHA-1={sha1}",
    ],
)
@pytest.mark.conforms("G-15")
def test_cacert_with_fingerprint(
    shell: Shell, server: MisbehavingServer, authority: EphemeralCa, spelling: str
) -> None:
    sha256 = authority.root.sha256_fingerprint
    colons = ":".join(sha256[i : i + 2] for i in range(0, 64, 2)).upper()
    sha1 = sha1_fingerprint(authority.root)
    given = spelling.format(sha256=sha256, colons=colons, sha1=sha1)
    shown = shell("cacert", server.url, "--fingerprint", given)
    assert shown.code == 0
    assert shown.out.startswith("Authenticated.\n")


def test_cacert_of_another_ca(shell: Shell, server: MisbehavingServer, work: Path) -> None:
    shown = shell("cacert", server.url, "--fingerprint", "00" * 32, "--out", "ca.pem")
    assert shown.code == 7
    assert "No certificate has the fingerprint 0000" in shown.err
    assert "add it with --ca FILE." in shown.err
    assert not Path("ca.pem").exists()


def test_cacert_writes_what_is_authenticated_only(
    shell: Shell, server: MisbehavingServer, fingerprint: str, work: Path
) -> None:
    refused = shell("cacert", server.url, "--out", "ca.pem")
    assert refused.code == 2
    assert server.log == []
    assert "not authenticated are not written" in refused.err
    assert shell("cacert", server.url, "--fingerprint", fingerprint, "--out", "ca.pem").code == 0
    (certificate,) = parse_ca_certificates(Path("ca.pem").read_bytes()).certificates
    assert certificate.sha256_fingerprint == fingerprint
    again = shell("cacert", server.url, "--ca", "ca.pem", "--out", "ca.pem")
    assert (again.code, "exists" in again.err) == (2, True)
    assert shell("cacert", server.url, "--ca", "ca.pem", "--out", "ca.pem", "--force").code == 0


@pytest.mark.conforms("G-18")
def test_any_ca_is_accepted_loudly(shell: Shell, server: MisbehavingServer, work: Path) -> None:
    option = "--accept-any-ca-without-verification"
    shown = shell("cacert", server.url, option, "a test", "--out", "ca.pem")
    assert shown.code == 0
    assert shown.err == "Warning: The CA is not authenticated; anybody on the network can be it.\n"
    assert shell("cacert", server.url, option, " ").code == 2
    both = shell("cacert", server.url, option, "a test", "--ca", "ca.pem")
    assert (both.code, "contradicts" in both.err) == (2, True)


def test_roles_of_several_certificates(shell: Shell, responder: Responder, work: Path) -> None:
    authority = EphemeralCa.create(key=keys.rsa(0), intermediates=1, separate_ra=True)
    with MisbehavingServer(replace(responder, authority=authority)) as server:
        shown = shell("cacert", server.url, "--json").json
        assert [each["roles"] for each in shown["certificates"]] == [
            ["signer"],
            ["recipient"],
            ["issuer", "signer"],
            ["root"],
        ]
        issuer = authority.issuer.sha256_fingerprint
        line = ["cacert", server.url, "--fingerprint", issuer]
        refused = shell(*line)
        assert refused.code == 7
        assert "--fingerprint-of-intermediate" in refused.err
        assert shell(*line, "--fingerprint-of-intermediate").code == 0


def test_certificates_that_do_not_fit_are_shown_all_the_same(
    shell: Shell, server: MisbehavingServer, authority: EphemeralCa
) -> None:
    leaf = keys.certify("CN=No CA", key=keys.rsa(1))
    leafy = replace(authority, identity=leaf, signer=leaf, recipients=(leaf,))
    server.misbehaviour.responder = replace(server.responder, authority=leafy)
    shown = shell("cacert", server.url)
    assert shown.code == 0
    assert "Subject:       CN=No CA" in shown.out
    assert "Roles" not in shown.out
    assert "CA" in shown.out.splitlines()[-1]


def test_files_with_ca_certificates_are_explained(
    shell: Shell, server: MisbehavingServer, work: Path
) -> None:
    shown = shell("cacert", server.url, "--ca", "challenge")
    assert shown.code == 2
    assert "challenge has no certificate that can be read, in PEM, DER or PKCS #7" in shown.err


# ------------------------------------------------------------------------------------------ nextca


@pytest.mark.conforms("N-01")
def test_nextca(
    shell: Shell,
    server: MisbehavingServer,
    responder: Responder,
    authority: EphemeralCa,
    fingerprint: str,
    work: Path,
) -> None:
    line = ["nextca", server.url, "--fingerprint", fingerprint, "--out", "next.pem"]
    none = shell(*line)
    assert (none.code, "does not announce GetNextCACert" in none.err) == (2, True)
    following = authority.roll_over(
        not_before=authority.issuer.not_before, lifetime=timedelta(days=10000), key=keys.rsa(3)
    )
    server.misbehaviour.responder = replace(responder, next_authority=following)
    shown = shell(*line)
    assert shown.code == 0
    assert shown.out.startswith("Signed by the CA of today, CN=pyscep test CA.\n")
    assert parse_certificates(Path("next.pem").read_bytes()) == (following.issuer,)
    again = shell("nextca", server.url, "--fingerprint", fingerprint, "--json").json
    assert again["certificates"][0]["sha256"] == following.issuer.sha256_fingerprint
    untrusted = shell("nextca", server.url)
    assert (untrusted.code, "Nothing says which CA" in untrusted.err) == (2, True)
