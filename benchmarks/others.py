"""What pyscep is compared with: other programs, and the PKCS #7 builders of ``cryptography``."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import AttributeOID, NameOID

from benchmarks.material import CHALLENGE, Material, dump_key
from benchmarks.measure import Turn
from pyscep.certificates import parse_certificate

PROGRAMS = Path(__file__).parent / "programs"
PYSCEP_0_0_14 = "pyscep-0.0.14"


class ProgramMissing(Exception):
    """A program to compare with is not there; the text says how to make it."""


class Program:
    """A program that takes its turns on request: see the texts at their beginning."""

    def __init__(self, name: str, process: subprocess.Popen[str], folder: Path) -> None:
        """Hold a process that is running already; *folder* is where it writes."""
        self.name = name
        self._process = process
        self._folder = folder

    def turn(self, task: str) -> Turn:
        """Return the turn of one of its tasks."""
        path = self._folder / f"{self.name}.{task}"

        def turn(count: int) -> float:
            assert self._process.stdin is not None  # noqa: S101  # both are pipes
            assert self._process.stdout is not None  # noqa: S101
            self._process.stdin.write(f"{task} {count} {path}\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            if not line:
                raise SystemExit(f"{self.name} ended; see what it wrote above.")
            return float(line)

        return turn

    def made(self, task: str) -> bytes:
        """Return what the last turn made."""
        return (self._folder / f"{self.name}.{task}").read_bytes()


@contextmanager
def programs(built: Path, material: Material, folder: Path) -> Iterator[list[Program]]:
    """Start all programs in *built* and end them; what they make is checked first.

    :raises ProgramMissing: one is not there.
    """
    material.write(folder)
    old = built / PYSCEP_0_0_14 / "bin" / "python"
    commands: dict[str, list[Path | str]] = {
        "C": [built / "cms"],
        "Go": [built / "scep"],
        "PyScep": [old, "-I", PROGRAMS / "pyscep_0_0_14.py"],
    }
    started = []
    try:
        for name, command in commands.items():
            if not Path(command[0]).exists():
                raise ProgramMissing(
                    f"{command[0]} is not there; build it with: bash {PROGRAMS}/build.sh {built}"
                )
            process = subprocess.Popen(
                [*command, folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            started.append(Program(name, process, folder))
        for program in started:
            check(program, material)
        yield started
    finally:
        for program in started:
            program._process.terminate()  # noqa: SLF001
            program._process.communicate()  # noqa: SLF001


def check(program: Program, material: Material) -> None:
    """See that the responder takes its messages, and that it finds the certificate in a reply."""
    for task in ("pkcs_req", "message"):
        program.turn(task)(1)
        responder = material.new_responder()
        # Each has its own idea of the message's digest.
        replied = responder.answer(program.made(task))
        if not replied:
            raise SystemExit(f"The {task} of {program.name} got no answer.")
    program.turn("read_cert_rep")(1)
    if parse_certificate(program.made("read_cert_rep")) != material.issued:
        raise SystemExit(f"{program.name} found another certificate in the reply.")


class Builders:
    """``cryptography`` doing the nearest equal work: it cannot add SCEP's attributes."""

    def __init__(self, material: Material) -> None:
        """Load keys and certificates into its own objects."""
        key = serialization.load_pem_private_key(
            dump_key(material.provider, material.key), password=None
        )
        if not isinstance(key, RSAPrivateKey):
            raise TypeError
        self._key = key
        self._ca = x509.load_der_x509_certificate(material.ca.issuer.der)
        self._self_signed = x509.load_der_x509_certificate(material.identity.certificate.der)
        self._csr = material.csr.der
        self._now = material.now
        self._name = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, "sensor-17"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            ]
        )

    def pkcs_req(self) -> bytes:
        """Make CSR, self-signed certificate and message."""
        csr = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(self._name)
            .add_attribute(AttributeOID.CHALLENGE_PASSWORD, CHALLENGE.encode())
            .sign(self._key, hashes.SHA256())
        )
        public_key = self._key.public_key()
        usage = x509.KeyUsage(
            digital_signature=True,
            key_encipherment=True,
            content_commitment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - timedelta(days=1))
            .not_valid_after(self._now + timedelta(days=1))
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return self._encode(csr.public_bytes(serialization.Encoding.DER), certificate)

    def message(self) -> bytes:
        """Make another message with the same CSR and certificate."""
        return self._encode(self._csr, self._self_signed)

    def _encode(self, csr: bytes, certificate: x509.Certificate) -> bytes:
        encoding = serialization.Encoding.DER
        options = [pkcs7.PKCS7Options.Binary]
        envelope = (
            pkcs7.PKCS7EnvelopeBuilder()
            .set_data(csr)
            .add_recipient(self._ca)
            .set_content_encryption_algorithm(AES128)
            .encrypt(encoding, options)
        )
        return (
            pkcs7.PKCS7SignatureBuilder()
            .set_data(envelope)
            .add_signer(certificate, self._key, hashes.SHA256())
            .sign(encoding, options)
        )
