"""Which CA is the right one: by fingerprint, by certificates at hand, or, loudly, any."""

from __future__ import annotations

import argparse
import re

from pyscep.ca import CaCertificates, TrustedCa
from pyscep.certificates import Certificate
from pyscep.cli.certificate_files import read_certificates
from pyscep.cli.terminal import Terminal
from pyscep.errors import UsageError

_PREFIX = re.compile(r"\s*sha-?(256|1)(?:\s*fingerprint)?\s*[:/=]", re.IGNORECASE)
"""Also what ``openssl x509 -fingerprint`` writes before the fingerprint."""
_SHA1_DIGITS = 40


def add_trust_options(parser: argparse.ArgumentParser) -> None:
    """Add the ways to say which CA is the right one."""
    group = parser.add_argument_group(
        "trust", "How the CA is recognised; `pyscep cacert URL` shows the fingerprints."
    )
    group.add_argument(
        "--fingerprint",
        metavar="HEX",
        help="SHA-256 of the root certificate (or SHA-1, by its length), as the CA's "
        "administrator says; sha256: or sha1: may stand before it",
    )
    group.add_argument(
        "--ca",
        metavar="FILE",
        action="append",
        default=[],
        help="CA certificates that you have by another way, PEM, DER or PKCS #7; trusted where "
        "no fingerprint is given, and may be repeated",
    )
    group.add_argument(
        "--fingerprint-of-intermediate",
        action="store_true",
        help="the fingerprint may be that of a CA certificate below the root",
    )
    group.add_argument(
        "--ra-may-be-any-end-entity",
        action="store_true",
        help="accept an RA certificate that looks like an ordinary one; then whoever has a "
        "certificate of this CA can pose as its server",
    )
    group.add_argument(
        "--encrypt-with-challenge",
        action="store_true",
        help="accept a CA that has no RSA certificate, so that the challenge password encrypts "
        "requests to it; only where it is known to have none",
    )
    group.add_argument(
        "--ignore-ca-key-usage",
        action="store_true",
        help="use the CA's certificates for what their keyUsage does not have, as some "
        "Microsoft installations need",
    )
    group.add_argument(
        "--accept-any-ca-without-verification",
        metavar="REASON",
        help="for laboratories: trust whoever answers; the challenge password goes to them",
    )


def is_trust_given(arguments: argparse.Namespace) -> bool:
    """Whether any of the options says which CA is the right one."""
    return bool(
        arguments.fingerprint
        or arguments.ca
        or arguments.accept_any_ca_without_verification is not None
    )


def require_trust(arguments: argparse.Namespace) -> None:
    """Refuse to go on if nothing says which CA is the right one.

    :raises UsageError: nothing does.

    Source: RFC 8894 section 2.2; G-18.
    """
    if not is_trust_given(arguments):
        raise UsageError(
            "Nothing says which CA is the right one; compare what `pyscep cacert URL` shows with "
            "what the CA's administrator says, and give it as --fingerprint.",
            argument="sha256",
        )


def authenticate(
    arguments: argparse.Namespace, fetched: CaCertificates, terminal: Terminal
) -> TrustedCa:
    """Find out whether these are the certificates of the CA that the options name.

    :raises UsageError: no option names one, or a malformed fingerprint.
    :raises UntrustedCa: it is another.

    Source: RFC 8894 section 2.2; G-15 to G-18, T-31.
    """
    require_trust(arguments)
    reason = arguments.accept_any_ca_without_verification
    at = terminal.now()
    if reason is not None:
        if arguments.fingerprint or arguments.ca:
            raise UsageError(
                "--accept-any-ca-without-verification contradicts --fingerprint and --ca; leave "
                "one of them out."
            )
        terminal.warn("The CA is not authenticated; anybody on the network can be it.")
        return fetched.authenticate_without_verification(
            reason=reason, at=at, ignore_key_usage=arguments.ignore_ca_key_usage
        )
    sha256, sha1 = _fingerprint(arguments.fingerprint)
    return fetched.authenticate(
        at=at,
        sha256=sha256,
        sha1=sha1,
        anchors=_uploaded(arguments.ca),
        anchor_may_be_intermediate=arguments.fingerprint_of_intermediate,
        ignore_key_usage=arguments.ignore_ca_key_usage,
        ra_may_be_any_end_entity=arguments.ra_may_be_any_end_entity,
        encrypt_with_challenge=arguments.encrypt_with_challenge,
    )


def _fingerprint(text: str | None) -> tuple[str | None, str | None]:
    """Tell SHA-256 from SHA-1, by what stands before it or else by its length."""
    if text is None:
        return None, None
    prefix = _PREFIX.match(text)
    digits = text[prefix.end() :] if prefix else text
    size = len(re.sub(r"[:\s]", "", digits))
    is_sha1 = prefix.group(1) == "1" if prefix else size == _SHA1_DIGITS
    return (None, digits) if is_sha1 else (digits, None)


def _uploaded(paths: list[str]) -> tuple[Certificate, ...]:
    return tuple(each for path in paths for each in read_certificates(path))
