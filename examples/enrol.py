"""Enrol for a certificate, and save key, certificate and chain.

python examples/enrol.py http://ca.example/scep --ca-sha256 FINGERPRINT \
        --subject CN=sensor-17 --challenge-file challenge.txt --out identity.pem
"""

from __future__ import annotations

import argparse
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyscep
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.transport import RequestsTransport


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Enrol for a certificate.")
    parser.add_argument("url")
    parser.add_argument("--ca-sha256", required=True, help="fingerprint of the root certificate")
    parser.add_argument("--subject", required=True, help="such as CN=sensor-17,O=Example")
    parser.add_argument("--san", action="append", default=[], help="such as dns:sensor-17.example")
    parser.add_argument("--challenge-file", type=Path, help="a file with the challenge password")
    parser.add_argument("--out", type=Path, required=True, help="where to write the PEM")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    chosen = arguments(argv)
    challenge = None
    if chosen.challenge_file is not None:
        challenge = chosen.challenge_file.read_text(encoding="utf-8").strip()
    provider = OscryptoProvider()
    key = provider.generate_rsa_key(2048)
    now = datetime.now(timezone.utc)
    csr = pyscep.build_csr(
        subject=chosen.subject,
        key=key,
        challenge_password=challenge,
        subject_alt_names=[pyscep.parse_general_name(text) for text in chosen.san],
    )
    identity = pyscep.self_signed_identity(csr, key=key, not_before=now, lifetime=timedelta(days=7))
    with RequestsTransport(timeout=30) as send:
        client = pyscep.Client(chosen.url, send=send)
        ca = client.get_ca_cert().authenticate(sha256=chosen.ca_sha256, at=now)
        reply = client.enrol(csr, identity=identity, ca=ca)
    match reply:
        case pyscep.Success():
            chain = "".join(certificate.pem() for certificate in reply.chain.certificates)
            save(chosen.out, provider.dump_private_key(key) + chain.encode())
            print(f"{reply.certificate.subject}, valid to {reply.certificate.not_after:%Y-%m-%d}")
            if reply.chain.problem is not None:
                print(reply.chain.problem)
            return 0
        case pyscep.Failure():
            print(reply.explanation)
            return 3
        case pyscep.Pending():
            print("The request awaits approval; see poll_and_resume.py for what to do.")
            return 4


def save(path: Path, pem: bytes) -> None:
    """Write the file completely or not at all, readable by its owner only."""
    temporary = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


if __name__ == "__main__":
    raise SystemExit(main())
