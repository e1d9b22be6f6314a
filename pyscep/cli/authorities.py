"""``caps``, ``cacert`` and ``nextca``: what a server says about itself and its CA."""

from __future__ import annotations

import argparse

from pyscep.ca import CaCertificates, TrustedCa
from pyscep.certificates import Certificate
from pyscep.cli import files
from pyscep.cli.choices import algorithms_shape, propose, spelled
from pyscep.cli.commands import Commands
from pyscep.cli.connection import add_connection_options, connect
from pyscep.cli.exit_codes import ExitCode
from pyscep.cli.hints import in_options
from pyscep.cli.shapes import (
    certificate_shape,
    certificate_text,
    pem,
    roles_of,
    sha1_fingerprint,
)
from pyscep.cli.terminal import Shape, Terminal, table
from pyscep.cli.trust import add_trust_options, authenticate, is_trust_given, require_trust
from pyscep.errors import UntrustedCa, UsageError

_NOT_AUTHENTICATED = (
    "Not authenticated: anybody on the network can have sent these. Compare the fingerprint of\n"
    "the root with what the CA's administrator says, and give it as --fingerprint."
)


def add_parser(commands: Commands) -> None:
    """Add the three commands."""
    caps = commands.add(
        "caps",
        show_capabilities,
        summary="Ask a server what it can (GetCACaps).",
        examples=("pyscep caps http://ca.example/scep",),
        notes="The answer is not authenticated. A server that answers with an HTTP error or with\n"
        "nothing has no capabilities, which is no error.",
    )
    add_connection_options(caps)
    cacert = commands.add(
        "cacert",
        show_ca_certificates,
        summary="Fetch the certificates of the CA (GetCACert), and show which is for what.",
        examples=(
            "pyscep cacert http://ca.example/scep",
            "pyscep cacert http://ca.example/scep --fingerprint 6e8f…03ab --out ca.pem",
        ),
        notes="Without an option of trust, they are only shown.",
    )
    add_connection_options(cacert)
    add_trust_options(cacert)
    _add_output_options(cacert)
    nextca = commands.add(
        "nextca",
        show_next_ca_certificates,
        summary="Fetch the certificates that the CA will have next (GetNextCACert).",
        examples=("pyscep nextca http://ca.example/scep --ca ca.pem --out next-ca.pem",),
        notes="They are signed by the CA of today, which has to be authenticated.",
    )
    add_connection_options(nextca)
    add_trust_options(nextca)
    _add_output_options(nextca)


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("files")
    group.add_argument("--out", metavar="FILE", help="write the certificates there, in PEM")
    add_force_option(group)


def add_force_option(group: argparse._ActionsContainer) -> None:
    """Add ``--force``, for every command that writes files."""
    group.add_argument("--force", action="store_true", help="replace files that exist")


def show_capabilities(arguments: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Run ``pyscep caps``."""
    with connect(arguments, terminal) as client:
        capabilities = client.get_ca_caps()
    proposal, problem = propose(capabilities)
    keywords = sorted(keyword.value for keyword in capabilities.keywords)
    text = table(
        (
            ("Answered", "yes" if capabilities.answered else "no, so it has no capabilities"),
            ("Keywords", ", ".join(keywords) or "none"),
            ("Other lines", ", ".join(capabilities.unknown) or None),
            ("Server", capabilities.server),
            ("Enrolment uses", problem if proposal is None else spelled(proposal)),
        )
    )
    shape = {
        "answered": capabilities.answered,
        "keywords": keywords,
        "unknown": list(capabilities.unknown),
        "server": capabilities.server,
        "proposal": None if proposal is None else algorithms_shape(proposal),
        "problem": problem,
    }
    terminal.show(text, shape)
    return ExitCode.SUCCESS


def show_ca_certificates(arguments: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Run ``pyscep cacert``."""
    trusted = is_trust_given(arguments)
    if arguments.out is not None and not trusted:
        raise UsageError(
            "Certificates that are not authenticated are not written, as somebody may trust the "
            "file later; give --fingerprint.",
            argument="sha256",
        )
    files.check_writable(arguments.out, force=arguments.force)
    with connect(arguments, terminal) as client:
        fetched = client.get_ca_cert()
    certificates = fetched.certificates
    if not trusted:
        guess, problem = _guess_roles(fetched, terminal)
        _show(terminal, certificates, guess, _NOT_AUTHENTICATED, problem, authenticated=False)
        return ExitCode.SUCCESS
    ca = authenticate(arguments, fetched, terminal)
    _write(arguments, certificates)
    _show(terminal, certificates, ca, "Authenticated.", ca.chain.problem, authenticated=True)
    return ExitCode.SUCCESS


def _guess_roles(
    fetched: CaCertificates, terminal: Terminal
) -> tuple[TrustedCa | None, str | None]:
    """Return which certificate would be for what, were they authenticated; only to be shown."""
    try:
        ca = fetched.authenticate_without_verification(
            reason="nothing is done but showing the roles", at=terminal.now()
        )
    except UntrustedCa as error:
        return None, in_options(str(error))
    return ca, ca.chain.problem


def show_next_ca_certificates(arguments: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Run ``pyscep nextca``."""
    require_trust(arguments)
    files.check_writable(arguments.out, force=arguments.force)
    with connect(arguments, terminal) as client:
        current = authenticate(arguments, client.get_ca_cert(), terminal)
        following = client.get_next_ca_cert(current=current, at=terminal.now())
    certificates = following.certificates
    _write(arguments, certificates)
    heading = f"Signed by the CA of today, {current.issuer.subject}."
    problem = following.chain.problem
    _show(terminal, certificates, following, heading, problem, authenticated=True)
    return ExitCode.SUCCESS


def _write(arguments: argparse.Namespace, certificates: tuple[Certificate, ...]) -> None:
    if arguments.out is not None:
        files.write(arguments.out, pem(certificates), force=arguments.force)


def _show(
    terminal: Terminal,
    certificates: tuple[Certificate, ...],
    ca: TrustedCa | None,
    heading: str,
    problem: str | None,
    *,
    authenticated: bool,
) -> None:
    described = [
        f"{number}.\n{_text(certificate, ca)}" for number, certificate in enumerate(certificates, 1)
    ]
    text = "\n".join([heading, *described, *([] if problem is None else [problem])])
    shape = {
        "authenticated": authenticated,
        "certificates": [_shape(certificate, ca) for certificate in certificates],
        "problem": problem,
    }
    terminal.show(text, shape)


def _text(certificate: Certificate, ca: TrustedCa | None) -> str:
    return certificate_text(certificate, roles=roles_of(certificate, ca), sha1=True, indent="  ")


def _shape(certificate: Certificate, ca: TrustedCa | None) -> Shape:
    return {
        **certificate_shape(certificate),
        "sha1": sha1_fingerprint(certificate),
        "roles": roles_of(certificate, ca),
    }
