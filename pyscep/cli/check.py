"""``check``: whether a server keeps to RFC 8894, and if not, where it departs from it."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Sequence
from datetime import timedelta

from pyscep.cli.commands import Commands
from pyscep.cli.connection import add_connection_options, connect
from pyscep.cli.csr_options import add_csr_options, describe_request, is_request_described
from pyscep.cli.exit_codes import ExitCode
from pyscep.cli.keys import check_strength, load_key, make_key
from pyscep.cli.passwords import add_secret_options, read_secret
from pyscep.cli.terminal import Terminal
from pyscep.cli.trust import add_trust_options, authenticate, is_trust_given, require_trust
from pyscep.errors import UsageError
from pyscep.pkcs10 import self_signed_identity
from pyscep.survey import Check, Enrolment, Survey, Verdict, survey

_SELF_SIGNED_LIFETIME = timedelta(days=7)


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add(
        "check",
        run_check,
        summary="Ask a server, and report which rules of RFC 8894 it keeps and breaks.",
        examples=(
            "pyscep check http://ca.example/scep",
            (
                "pyscep check http://ca.example/scep --enrol --fingerprint 6e8f…03ab "
                "--subject CN=check --challenge-file challenge.txt"
            ),
        ),
        notes="Only GetCACaps, GetCACert and, where it is announced, GetNextCACert are asked,\n"
        "which harm no server. With --enrol a certificate is really requested, the request sent\n"
        "again, polled for, and the certificate and the CRL asked for; the certificate is not\n"
        "kept. The exit code is 0 if the server breaks no MUST of RFC 8894, else 6.",
    )
    add_connection_options(parser)
    group = parser.add_argument_group("enrolment")
    group.add_argument(
        "--enrol",
        action="store_true",
        help="request a certificate too; the options below are for it",
    )
    group.add_argument(
        "--key", metavar="FILE", help="key to be certified; one that is thrown away if left out"
    )
    add_secret_options(parser, "key-password", "password of the key file")
    add_csr_options(parser)
    add_trust_options(parser)


def run_check(arguments: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Run ``pyscep check``.

    :raises UsageError: options of an enrolment without ``--enrol``, or too few of them.
    """
    enrolment = _enrolment(arguments, terminal) if arguments.enrol else None
    if enrolment is None and (
        arguments.key or is_request_described(arguments) or is_trust_given(arguments)
    ):
        raise UsageError("Without --enrol nothing is requested; add it, or leave its options out.")
    with connect(arguments, terminal) as client:
        report = survey(
            arguments.url,
            send=client.send,
            at=terminal.now(),
            enrolment=enrolment,
            ca_identifier=arguments.ca_identifier,
        )
    terminal.show("\n".join(_paragraphs(report)), report.to_json_object())
    return ExitCode.SUCCESS if report.conforms else ExitCode.PROTOCOL


def _enrolment(arguments: argparse.Namespace, terminal: Terminal) -> Enrolment:
    require_trust(arguments)
    build = describe_request(arguments, terminal)
    password = read_secret(arguments, "key-password", "Password of the key", terminal)
    key = make_key("rsa:2048") if arguments.key is None else load_key(arguments.key, password)
    check_strength(key, terminal)
    csr = build(key=key)
    identity = self_signed_identity(
        csr, key=key, not_before=terminal.now(), lifetime=_SELF_SIGNED_LIFETIME
    )
    return Enrolment(
        csr=csr,
        identity=identity,
        authenticate=lambda fetched: authenticate(arguments, fetched, terminal),
    )


def _paragraphs(report: Survey) -> Iterator[str]:
    kept, broken, unseen = (
        [each for each in report.checks if each.verdict is verdict]
        for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.NOT_SEEN)
    )
    if report.conforms:
        yield f"{report.url} breaks no MUST of RFC 8894, as far as it was seen."
    else:
        count = sum(each.level.value == "MUST" for each in broken)
        yield f"{report.url} does not conform to RFC 8894: it breaks {count} of its MUSTs."
    keywords = sorted(keyword.value for keyword in report.capabilities.keywords)
    yield f"\nGetCACaps: {', '.join(keywords) or 'no capabilities'}."
    yield from report.notes
    if broken:
        yield "\nBroken:"
        for each in broken:
            yield from _lines(each)
    yield f"\n{_listed('Kept', kept)}"
    yield _listed("Not seen", unseen)


def _listed(label: str, checks: Sequence[Check]) -> str:
    text = f"{label}: {' '.join(each.id for each in checks) or 'none'}"
    return textwrap.fill(text, 80, subsequent_indent="  ", break_on_hyphens=False)


def _lines(check: Check) -> Iterator[str]:
    yield f"  {check.id}  {check.level.value:6}  {check.rule}"
    for text in check.texts:
        yield f"                {text}"
    yield f"                Advice: {check.advice}"
