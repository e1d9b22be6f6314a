"""``getcert`` and ``getcrl``: what the CA has issued, and what it has revoked."""

from __future__ import annotations

import argparse
from datetime import timedelta

from pyscep import asn1
from pyscep.ca import TrustedCa
from pyscep.capabilities import NO_CAPABILITIES, Algorithms
from pyscep.certificates import Identity
from pyscep.cli import files
from pyscep.cli.authorities import add_force_option
from pyscep.cli.certificate_files import read_certificate, read_identity
from pyscep.cli.choices import add_algorithm_options, is_everything_chosen, select
from pyscep.cli.commands import Commands
from pyscep.cli.connection import (
    add_connection_options,
    add_reply_options,
    connect,
    reply_rules,
)
from pyscep.cli.exit_codes import ExitCode
from pyscep.cli.keys import load_key
from pyscep.cli.outcome import failure_text, reply_shape, warn_of_weakness
from pyscep.cli.passwords import add_secret_options, read_secret
from pyscep.cli.shapes import certificate_text, moment, pem, serial
from pyscep.cli.terminal import Terminal, table
from pyscep.cli.trust import add_trust_options, authenticate, require_trust
from pyscep.client import Client
from pyscep.crl import CertificateList
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.keys import PrivateKey
from pyscep.pkcs10 import build_csr, self_signed_identity
from pyscep.transaction import CrlSuccess, Failure

_LIFETIME = timedelta(days=1)
"""Of a self-signed certificate that signs one question."""


def add_parser(commands: Commands) -> None:
    """Add the two commands."""
    getcert = commands.add(
        "getcert",
        run_getcert,
        summary="Ask the CA for a certificate that it has issued (GetCert).",
        examples=(
            (
                "pyscep getcert http://ca.example/scep --ca chain.pem --cert device.pem "
                "--key device.key --serial 4f2a91 --out other.pem"
            ),
        ),
        notes="Many servers do not have this operation.",
    )
    _add_options(getcert)
    getcrl = commands.add(
        "getcrl",
        run_getcrl,
        summary="Ask the CA which certificates it has revoked (GetCRL).",
        examples=(
            (
                "pyscep getcrl http://ca.example/scep --ca chain.pem --cert device.pem "
                "--key device.key --of device.pem --out ca.crl"
            ),
        ),
        notes="Many servers do not have this operation; where the certificate names a CRL\n"
        "distribution point, fetch the CRL from there.",
    )
    _add_options(getcrl)


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_connection_options(parser)
    add_trust_options(parser)
    group = parser.add_argument_group("who asks")
    group.add_argument("--key", metavar="FILE", required=True, help="the private key that signs")
    group.add_argument(
        "--cert", metavar="FILE", help="its certificate (default: a self-signed one, made for this)"
    )
    add_secret_options(parser, "key-password", "password of the key file")
    which = parser.add_argument_group("which certificate").add_mutually_exclusive_group(
        required=True
    )
    which.add_argument(
        "--serial", metavar="HEX", type=_serial, help="its serial number, in hexadecimal"
    )
    which.add_argument("--of", metavar="FILE", help="this one; also of another issuer of the CA")
    add_algorithm_options(parser)
    add_reply_options(parser)
    group = parser.add_argument_group("files")
    group.add_argument("--out", metavar="FILE", help="write the answer there, in PEM")
    group.add_argument("--der", action="store_true", help="write DER instead of PEM")
    add_force_option(group)


def _serial(text: str) -> int:
    try:
        return int(text.replace(":", ""), 16)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a serial number in hexadecimal")


def run_getcert(arguments: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Run ``pyscep getcert``."""
    question = _Question(arguments, terminal)
    with connect(arguments, terminal, rules=reply_rules(arguments)) as client:
        ca, algorithms = question.prepare(client)
        reply = client.get_cert(
            question.identifier(ca), identity=question.identity, ca=ca, algorithms=algorithms
        )
    if isinstance(reply, Failure):
        return _refused(reply, terminal)
    warn_of_weakness(reply, terminal)
    certificate = reply.certificate
    question.write(certificate.der if arguments.der else pem((certificate,)))
    terminal.show(certificate_text(certificate), {**reply_shape(reply), "out": arguments.out})
    return ExitCode.SUCCESS


def run_getcrl(arguments: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Run ``pyscep getcrl``."""
    question = _Question(arguments, terminal)
    with connect(arguments, terminal, rules=reply_rules(arguments)) as client:
        ca, algorithms = question.prepare(client)
        identifier = question.identifier(ca)
        reply = client.get_crl(identifier, identity=question.identity, ca=ca, algorithms=algorithms)
    if isinstance(reply, Failure):
        return _refused(reply, terminal)
    warn_of_weakness(reply, terminal)
    crl = reply.crl
    encoded = crl.der if arguments.der else asn1.pem_encode("X509 CRL", crl.der).encode("ascii")
    question.write(encoded)
    _show_crl(reply, identifier, arguments.out, terminal)
    return ExitCode.SUCCESS


class _Question:
    """What both commands have in common: who asks, and about which certificate."""

    def __init__(self, arguments: argparse.Namespace, terminal: Terminal) -> None:
        require_trust(arguments)
        files.check_writable(arguments.out, force=arguments.force, needed=[arguments.key])
        self._arguments = arguments
        self._terminal = terminal
        self._of = None if arguments.of is None else read_certificate(arguments.of)
        password = read_secret(arguments, "key-password", "Password of the key", terminal)
        key = load_key(arguments.key, password)
        if arguments.cert is None:
            self.identity = _self_signed(key, terminal)
        else:
            self.identity = read_identity(arguments.cert, key)

    def prepare(self, client: Client) -> tuple[TrustedCa, Algorithms]:
        ca = authenticate(self._arguments, client.get_ca_cert(), self._terminal)
        chosen = is_everything_chosen(self._arguments)
        capabilities = NO_CAPABILITIES if chosen else client.get_ca_caps()
        return ca, select(self._arguments, capabilities, self._terminal)

    def identifier(self, ca: TrustedCa) -> IssuerAndSerialNumber:
        if self._of is not None:
            return IssuerAndSerialNumber.of(self._of)
        number: int = self._arguments.serial
        return IssuerAndSerialNumber(issuer=ca.issuer.subject, serial_number=number)

    def write(self, octets: bytes) -> None:
        if self._arguments.out is not None:
            files.write(self._arguments.out, octets, force=self._arguments.force)


def _self_signed(key: PrivateKey, terminal: Terminal) -> Identity:
    csr = build_csr(subject={}, key=key)
    return self_signed_identity(csr, key=key, not_before=terminal.now(), lifetime=_LIFETIME)


def _refused(reply: Failure, terminal: Terminal) -> ExitCode:
    terminal.show(failure_text(reply), reply_shape(reply))
    return ExitCode.REFUSED


def _show_crl(
    reply: CrlSuccess, identifier: IssuerAndSerialNumber, out: str | None, terminal: Terminal
) -> None:
    crl: CertificateList = reply.crl
    end = crl.next_update
    if end is not None and terminal.now() > end:
        terminal.warn(f"The CRL has been out of date since {moment(end)}.")
    revoked = crl.revocation_date(identifier.serial_number)
    text = table(
        (
            ("Issuer", crl.issuer),
            ("Made", moment(crl.this_update)),
            ("Next", None if end is None else moment(end)),
            ("Serial number", serial(identifier.serial_number)),
            ("Revoked", "no" if revoked is None else f"yes, on {moment(revoked)}"),
        )
    )
    shape = {
        "status": "success",
        "issuer": str(crl.issuer),
        "this_update": moment(crl.this_update),
        "next_update": None if end is None else moment(end),
        "serial": serial(identifier.serial_number),
        "revoked": None if revoked is None else moment(revoked),
        "reply_algorithms": {
            "content_encryption_algorithm": reply.content_encryption_algorithm.name,
            "digest_algorithm": reply.digest_algorithm.name,
        },
        "out": out,
    }
    terminal.show(text, shape)
