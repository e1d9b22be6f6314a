"""What to ask for: subject, names, usages and the challenge password of a request."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from functools import partial
from typing import Protocol

from pyscep import asn1
from pyscep.certificates import Certificate
from pyscep.cli.connection import DIGESTS
from pyscep.cli.passwords import add_secret_options, read_secret
from pyscep.cli.terminal import Terminal
from pyscep.errors import UsageError
from pyscep.extensions import (
    ExtendedKeyUsage,
    Extension,
    KeyUsage,
    find,
    microsoft_template,
    microsoft_template_name,
    parse_general_name,
    subject_alt_name,
)
from pyscep.keys import PrivateKey
from pyscep.names import Name, build_name, name_from_text
from pyscep.pkcs10 import CertificationRequest, build_csr

_USAGES = {usage.name.lower().replace("_", "-"): usage for usage in KeyUsage}
_PURPOSES = {purpose.name.lower().replace("_", "-"): purpose for purpose in ExtendedKeyUsage}
_OID = re.compile(r"[0-2](\.\d+)+")


class BuildRequest(Protocol):
    """Builds a certification request of which all but the key is known."""

    def __call__(self, *, key: PrivateKey) -> CertificationRequest:
        """Build it.

        :param key: the key to be certified.
        """


def add_csr_options(parser: argparse.ArgumentParser, *, digest: str = "csr-digest") -> None:
    """Add what a certification request says.

    :param digest: the name of the option for the hash of its signature.
    """
    group = parser.add_argument_group("what to ask for")
    group.add_argument(
        "--subject", metavar="NAME", help="as in RFC 4514, such as CN=sensor-17,O=Example,C=US"
    )
    group.add_argument(
        "--san",
        metavar="NAME",
        action="append",
        default=[],
        help="alternative name: dns:, ip:, email:, uri:, upn: or dir: and the value; "
        "may be repeated",
    )
    group.add_argument(
        "--key-usage",
        action="append",
        default=[],
        choices=_USAGES,
        metavar="USAGE",
        help=f"{', '.join(list(_USAGES)[:3])} …; may be repeated",
    )
    group.add_argument(
        "--extended-key-usage",
        action="append",
        default=[],
        type=_purpose,
        metavar="PURPOSE",
        help="client-auth, server-auth … or an OID; may be repeated",
    )
    templates = group.add_mutually_exclusive_group()
    templates.add_argument(
        "--template-name", metavar="NAME", help="template of a Microsoft CA, by its name"
    )
    templates.add_argument(
        "--template-oid", metavar="OID", help="template of a Microsoft CA, by its OID"
    )
    group.add_argument(
        f"--{digest}",
        dest="csr_digest",
        choices=sorted(DIGESTS),
        default="sha256",
        help="hash that the certification request is signed with (default: sha256)",
    )
    add_secret_options(parser, "challenge", "challenge password")


def _purpose(text: str) -> ExtendedKeyUsage | str:
    if text in _PURPOSES:
        return _PURPOSES[text]
    if _OID.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(
        f"{text!r} is neither an OID nor one of {', '.join(_PURPOSES)}"
    )


def read_challenge(arguments: argparse.Namespace, terminal: Terminal) -> str | None:
    """Return the challenge password, if one is given."""
    return read_secret(arguments, "challenge", "Challenge password", terminal)


def is_request_described(arguments: argparse.Namespace) -> bool:
    """Whether any of the options says what to ask for."""
    return any(
        (
            arguments.subject,
            arguments.san,
            arguments.key_usage,
            arguments.extended_key_usage,
            arguments.template_name,
            arguments.template_oid,
            arguments.challenge_file,
            arguments.challenge_env,
            arguments.challenge_prompt,
        )
    )


def describe_request(
    arguments: argparse.Namespace, terminal: Terminal, *, existing: Certificate | None = None
) -> BuildRequest:
    """Read what the options ask for; what is wrong with them is said before a key is made.

    :param existing: a certificate whose names are asked for again, as far as no others are given.
    :returns: builds the certification request, for the key.
    :raises UsageError: no name at all, or one that cannot be encoded; no challenge password.
    """
    extra = [*_template(arguments)]
    subject = _subject(arguments.subject, existing)
    names = [parse_general_name(text) for text in arguments.san]
    if names:
        subject_alt_name(names, critical=False)  # refuses what cannot be encoded
    if existing is not None and not names:
        extra += _names_of(existing)
    if existing is None and not (arguments.subject or names):
        raise UsageError("A request needs a name; give --subject or --san.", argument="subject")
    return partial(
        build_csr,
        subject=subject,
        challenge_password=read_challenge(arguments, terminal),
        subject_alt_names=names,
        key_usage=[_USAGES[name] for name in arguments.key_usage],
        extended_key_usage=arguments.extended_key_usage,
        extra_extensions=extra,
        digest_algorithm=DIGESTS[arguments.csr_digest],
    )


def _subject(given: str | None, existing: Certificate | None) -> Name:
    if existing is None:
        return build_name(given or {})
    # What the CA has issued already may be longer than what is let through otherwise.
    is_other = given is not None and name_from_text(given) != existing.subject
    return build_name(given or {}) if is_other else existing.subject


def _template(arguments: argparse.Namespace) -> Iterable[Extension]:
    if arguments.template_name is not None:
        yield microsoft_template_name(arguments.template_name)
    if arguments.template_oid is not None:
        yield microsoft_template(arguments.template_oid)


def _names_of(certificate: Certificate) -> Iterable[Extension]:
    names = find(certificate.extensions, asn1.SUBJECT_ALT_NAME)
    if names is not None:
        yield names
