"""``inspect``: what a file is, and what is wrong with it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from pyscep.cli import files
from pyscep.cli.certificate_files import read_certificates
from pyscep.cli.commands import Commands
from pyscep.cli.exit_codes import ExitCode
from pyscep.cli.keys import key_provider, load_key
from pyscep.cli.passwords import add_secret_options, read_secret
from pyscep.cli.shapes import certificate_text, moment
from pyscep.cli.terminal import Terminal, table
from pyscep.inspection import Inspection, Kind, Level, SignatureState, inspect
from pyscep.inspection.objects import SeenRequest
from pyscep.inspection.password import SeenPasswordRecipient

_NAMES = {
    Kind.PKI_MESSAGE: "a SCEP message",
    Kind.DEGENERATE: "certificates or CRLs in PKCS #7, as GetCACert and a SUCCESS have them",
    Kind.NEXT_CA_CERTIFICATES: "an answer to GetNextCACert",
    Kind.SIGNED_DATA: "a signed CMS message that is none of SCEP",
    Kind.ENVELOPED_DATA: "an envelope without the signed message around it",
    Kind.CERTIFICATE: "a certificate, as GetCACert has it if there is but one",
    Kind.CSR: "a certification request (PKCS #10)",
    Kind.CRL: "a certificate revocation list",
    Kind.PRIVATE_KEY: "a private key, which is not shown",
    Kind.PUBLIC_KEY: "a public key",
    Kind.PKCS12: "a PKCS #12 file, which is not opened",
    Kind.ISSUER_AND_SERIAL_NUMBER: "the content of a GetCert or GetCRL",
    Kind.ISSUER_AND_SUBJECT: "the content of a CertPoll",
    Kind.CAPABILITIES: "an answer to GetCACaps",
    Kind.GET_REQUEST: "the URL of a request without a SCEP message in it",
    Kind.DER: "ASN.1 that SCEP does not have",
    Kind.EMPTY: "empty",
    Kind.UNKNOWN: "nothing that SCEP has",
}
_NOT_OF_SCEP = {
    Kind.SIGNED_DATA,
    Kind.PRIVATE_KEY,
    Kind.PUBLIC_KEY,
    Kind.PKCS12,
    Kind.DER,
    Kind.UNKNOWN,
}
_STATES = {
    SignatureState.VALID: "verifies",
    SignatureState.INVALID: "DOES NOT VERIFY",
    SignatureState.NOT_CHECKED: "not checked",
}


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add(
        "inspect",
        run_inspect,
        summary="Say what a file is, what is in it, and where it departs from RFC 8894.",
        examples=(
            "pyscep inspect message.der",
            "pyscep inspect reply.der --request request.der --key device.key --signer ca.pem",
            "pyscep inspect request.der --key ca.key --password-file password.txt --json",
            "pyscep inspect reply.der --challenge-file challenge.txt",
            "pyscep inspect - --json",
        ),
        notes="SCEP messages, requests, certificates, CRLs, answers to GetCACert and GetCACaps,\n"
        "keys; in DER, BER, PEM, base64, the URL of a GET, or recorded HTTP. Private keys and\n"
        "challenge passwords are not shown. A signature counts only with --signer; a request\n"
        "without it shows that its sender holds the key, and no more.",
    )
    parser.add_argument("file", metavar="FILE", help="what to look at (- for standard input)")
    group = parser.add_argument_group("what to look with")
    group.add_argument(
        "--key",
        metavar="FILE",
        action="append",
        default=[],
        help="private key that the message may be encrypted to; may be repeated",
    )
    group.add_argument(
        "--signer",
        metavar="FILE",
        action="append",
        default=[],
        help="certificates that have to have signed it, PEM, DER or PKCS #7; may be repeated",
    )
    group.add_argument(
        "--request",
        metavar="FILE",
        help="the request that this should answer: compare transaction, nonce and recipient",
    )
    add_secret_options(parser, "password", "password of the key files")
    add_secret_options(
        parser, "challenge", "challenge password that the message may be encrypted with"
    )


def run_inspect(arguments: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Run ``pyscep inspect``."""
    octets = files.read(arguments.file)
    request = None if arguments.request is None else files.read(arguments.request)
    password = read_secret(arguments, "password", "Password of the key", terminal)
    challenge = read_secret(arguments, "challenge", "Challenge password", terminal)
    seen = inspect(
        octets,
        keys=[load_key(path, password) for path in arguments.key],
        passwords=() if challenge is None else (challenge,),
        signers=[each for path in arguments.signer for each in read_certificates(path)],
        request=request,
        at=terminal.now(),
        provider=key_provider(),
    )
    terminal.show("\n".join(_paragraphs(seen)), seen.to_json_object())
    return ExitCode.SUCCESS


def _paragraphs(seen: Inspection) -> Iterator[str]:
    wrapped = f", in {' in '.join(reversed(seen.wrapping))}" if seen.wrapping else ""
    yield f"This is {_NAMES[seen.kind]} ({seen.size} bytes{wrapped})."
    facts = table(_facts(seen))
    if facts:
        yield f"\n{facts}"
    if seen.csr is not None:
        yield "\nCertification request:"
        yield table(_request(seen.csr), indent="  ")
    for number, certificate in enumerate(seen.certificates or (), start=1):
        yield f"\nCertificate {number}:"
        yield certificate_text(certificate, indent="  ")
    for crl in seen.crls or ():
        yield "\nCRL:"
        until = "" if crl.next_update is None else f" to {moment(crl.next_update)}"
        rows = (("Issuer", crl.issuer), ("Validity", f"{moment(crl.this_update)}{until}"))
        yield table(rows, indent="  ")
    yield from _findings(seen)


def _facts(seen: Inspection) -> Iterator[tuple[str, object]]:
    yield "Message type", seen.message_type
    yield "Transaction ID", seen.transaction_id
    yield "Sender nonce", None if seen.sender_nonce is None else seen.sender_nonce.hex()
    yield "Recipient nonce", None if seen.recipient_nonce is None else seen.recipient_nonce.hex()
    yield "Status", seen.pki_status
    yield "Reason", seen.fail_info
    yield "Reason in words", seen.fail_info_text
    yield "Digest", seen.digest_algorithm
    yield "Signature algorithm", seen.signature_algorithm
    yield "Signature", None if seen.signature is None else _STATES[seen.signature]
    yield "Cipher", seen.content_encryption_algorithm
    yield "Key encryption", seen.key_encryption_algorithm
    if seen.password_recipient is not None:
        yield "Key derivation", _key_derivation(seen.password_recipient)
        yield "Key wrap", _key_wrap(seen.password_recipient)
    if seen.decrypted is not None:
        yield "Envelope", "opened" if seen.decrypted else "not opened"
    for label, text in seen.details:
        yield f"{label[:1].upper()}{label[1:]}", text


def _key_derivation(recipient: SeenPasswordRecipient) -> str:
    parts = (
        recipient.key_derivation or "?",
        recipient.pseudo_random_function,
        None if recipient.iterations is None else f"{recipient.iterations} iterations",
        None if recipient.salt_size is None else f"{recipient.salt_size} bytes of salt",
    )
    return ", ".join(filter(None, parts))


def _key_wrap(recipient: SeenPasswordRecipient) -> str:
    parts = (recipient.key_encryption or "?", recipient.content_encryption_algorithm)
    return ", ".join(filter(None, parts))


def _request(csr: SeenRequest) -> Iterator[tuple[str, object]]:
    yield "Subject", csr.subject or "(empty)"
    yield "Alternative names", ", ".join(csr.sans) or None
    yield "Challenge password", "yes (not shown)" if csr.has_challenge else "no"
    yield "Signature", _STATES[csr.signature]


def _findings(seen: Inspection) -> Iterator[str]:
    order = list(Level)
    findings = sorted(seen.findings, key=lambda each: order.index(each.level))
    if not findings:
        if seen.kind not in _NOT_OF_SCEP:
            yield "\nNothing in it departs from RFC 8894."
        return
    yield "\nFindings:"
    for each in findings:
        yield f"  {each.id}  {each.level.value:6}  {each.text}"
