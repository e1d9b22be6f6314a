"""openssl agrees with what the index of the test vectors says of them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyscep.messages import MessageType
from pyscep.testing.vectors import write_vectors
from tests.helpers.vector_reader import VectorDirectory

# One of each form; the combinations of algorithms differ in nothing but these.
REQUESTS = [
    *(f"pkcs-req-{c}-{d}" for c in ("aes128", "aes256", "3des") for d in ("sha256", "sha512")),
    *(f"pkcs-req-aes128-sha256-oaep-{d}" for d in ("sha1", "sha256", "sha384", "sha512")),
    "renewal-req-aes128-sha256",
    "pkcs-req-by-old-aes128-sha256",
    "cert-poll-aes128-sha256",
    "get-cert-aes128-sha256",
    "get-crl-aes128-sha256",
    "pkcs-req-to-ra",
    *(f"pkcs-req-{p}-aes128-sha256" for p in ("ec-client", "to-ec", "ec-client-to-ec")),
    *(f"renewal-req-ec-client-to-ec-{c}" for c in ("aes256-sha512", "3des-sha1")),
    "cert-poll-to-ec-aes128-sha256",
    "drafted-key-and-password",
    "refused-wrong-challenge",
    "drafted-content-in-pieces",
    "drafted-envelope-in-pieces",
    "drafted-envelope-segmented",
    "drafted-indefinite-lengths",
    "drafted-other-certificates-first",
]
REPLIES = [
    *(f"success-to-pkcs-req-{c}-sha256" for c in ("aes128", "aes256", "3des")),
    *(f"success-to-pkcs-req-aes128-sha256-oaep-{d}" for d in ("sha1", "sha256")),
    "success-to-renewal-req-aes128-sha256",
    "success-to-get-crl-aes128-sha256",
    "success-by-chain",
    "success-by-ra",
    *(f"success-to-pkcs-req-{p}-aes128-sha256" for p in ("ec-client", "to-ec", "ec-client-to-ec")),
    *(f"success-to-renewal-req-ec-client-{c}" for c in ("aes256-sha512", "3des-sha1")),
    "drafted-key-and-password",
    "failure-bad-request-absent",
    "failure-bad-request-empty",
    "failure-bad-request-zero-byte",
    "pending-absent-sha256",
    "drafted-content-in-pieces",
    "drafted-envelope-in-pieces",
    "drafted-envelope-segmented",
    "drafted-indefinite-lengths",
    "drafted-no-enclosed-certificates",
]
FORGERIES = {
    "wrong-signed-by-stranger": "stranger-ca",
    "wrong-signed-by-look-alike": "ca-look-alike",
    "wrong-signed-by-client-old": "client-old",
    "wrong-signed-over-other-bytes": None,
    "wrong-wrong-message-digest": None,
}
"""Replies that the CA has not signed, and the certificate that openssl verifies them with."""
CLOSED = [
    "wrong-encrypted-to-stranger",
    "wrong-bad-padding",
    "wrong-wrong-password",
    "wrong-truncated-wrapped-key",
    "wrong-garbled-wrapped-key",
    "wrong-without-derivation",
    "wrong-unknown-wrap-cipher",
]


class OpenSsl:
    """Runs ``openssl cms`` in the directory of vectors."""

    def __init__(self, vectors: VectorDirectory, scratch: Path) -> None:
        self.vectors = vectors
        self.scratch = scratch

    def run(self, *arguments: object) -> bool:
        """Return whether the command succeeded."""
        command = ["openssl", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=self.vectors.root, capture_output=True, check=False, timeout=60
        )
        return done.returncode == 0

    def pem(self, name: str) -> Path:
        path = self.scratch / f"{name}.pem"
        path.write_text(self.vectors.certificate(name).pem())
        return path

    def verify(self, vector: dict[str, Any], signer: str, out: Path) -> bool:
        """Verify the signature with one certificate and with no other that may be enclosed."""
        nothing = self.scratch / "nothing"
        nothing.write_bytes(b"")
        message = vector["message"]
        empty = message is not None and message["cipher"] is None and "absent" in vector["name"]
        return self.run(
            *("cms", "-verify", "-binary", "-noverify", "-nointern", "-inform", "DER"),
            *("-in", vector["file"], "-certfile", self.pem(signer), "-out", out),
            *(("-content", nothing) if empty else ()),
        )

    def decrypt(self, envelope: Path, recipient: str, out: Path) -> bool:
        key = self.vectors.index["certificates"][recipient]["key"]
        command = ("cms", "-decrypt", "-binary", "-inform", "DER", "-in", envelope, "-out", out)
        if key.startswith("ec-"):
            return self.run(*command, "-pwri_password", self.vectors.index["challenge_password"])
        return self.run(
            *command,
            *("-recip", self.pem(recipient), "-inkey", self.vectors.index["keys"][key]["file"]),
        )


@pytest.fixture(scope="module")
def openssl(tmp_path_factory: pytest.TempPathFactory, find_tool: Callable[[str], str]) -> OpenSsl:
    find_tool("openssl")
    root = tmp_path_factory.mktemp("vectors")
    write_vectors(root)
    return OpenSsl(VectorDirectory.open(root), tmp_path_factory.mktemp("scratch"))


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_verify_and_open(openssl: OpenSsl, name: str) -> None:
    vector = openssl.vectors.find(f"requests/{name}")
    said = vector["message"]
    envelope, content = openssl.scratch / "envelope", openssl.scratch / "content"
    assert openssl.verify(vector, said["signer"], envelope)
    assert openssl.decrypt(envelope, said["recipient"], content)
    if MessageType(said["message_type"]) in (MessageType.PKCS_REQ, MessageType.RENEWAL_REQ):
        assert openssl.run("req", "-inform", "DER", "-in", content, "-verify", "-noout")
    else:
        assert openssl.run("asn1parse", "-inform", "DER", "-in", content)


@pytest.mark.parametrize("name", REPLIES)
def test_replies_verify_and_open(openssl: OpenSsl, name: str) -> None:
    vector = openssl.vectors.find(f"replies/{name}")
    authority = openssl.vectors.index["authorities"][vector["authority"]]
    envelope, content = openssl.scratch / "envelope", openssl.scratch / "content"
    assert openssl.verify(vector, authority["signers"][0], envelope)
    if vector["expected"]["status"] != "SUCCESS":
        return
    assert openssl.decrypt(envelope, vector["answers"]["signer"], content)
    found = openssl.scratch / "found"
    arguments = ("-inform", "DER", "-in", content, "-print_certs", "-out", found)
    assert openssl.run("pkcs7", *arguments)
    certificate = vector["expected"]["certificate"]
    if certificate is None:
        assert "BEGIN X509 CRL" in found.read_text()
    else:
        assert openssl.vectors.certificate(certificate).pem().strip() in found.read_text()


@pytest.mark.parametrize(("name", "forger"), FORGERIES.items())
def test_forged_replies_do_not_verify(openssl: OpenSsl, name: str, forger: str | None) -> None:
    vector = openssl.vectors.find(f"replies/{name}")
    assert vector["expected"]["rejection"] == "signature"
    envelope = openssl.scratch / "envelope"
    assert not openssl.verify(vector, "ca", envelope)
    if forger is not None:
        assert openssl.verify(vector, forger, envelope)


@pytest.mark.parametrize("name", CLOSED)
def test_closed_envelopes_do_not_open(openssl: OpenSsl, name: str) -> None:
    vector = openssl.vectors.find(f"replies/{name}")
    envelope, content = openssl.scratch / "envelope", openssl.scratch / "content"
    assert openssl.verify(vector, "ca", envelope)
    assert not openssl.decrypt(envelope, vector["answers"]["signer"], content)


@pytest.mark.parametrize("authority", ["ca", "chain", "ra", "ndes"])
def test_certificates_chain(openssl: OpenSsl, authority: str) -> None:
    roles = openssl.vectors.index["authorities"][authority]
    moment = int(openssl.vectors.at.timestamp())
    for name in {roles["issuer"], *roles["signers"], roles["recipient"]}:
        assert openssl.run(
            *("verify", "-attime", moment, "-CAfile", openssl.pem(roles["anchor"])),
            openssl.pem(name),
        )
