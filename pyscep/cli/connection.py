"""The connection to a server: its URL and what is read in replies; the log of ``--verbose``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.cli.terminal import Terminal
from pyscep.client import Client
from pyscep.errors import ScepError
from pyscep.exchange import DEFAULT_RULES, ReplyRules
from pyscep.flows import Transport
from pyscep.http import HttpRequest, HttpResponse
from pyscep.http_server import decode_get_message
from pyscep.pki_message import VerifiedMessage, parse_pki_message

_LEGACY_CIPHERS = {
    "3des": ContentEncryptionAlgorithm.DES_EDE3_CBC,
    "des": ContentEncryptionAlgorithm.DES_CBC,
}
DIGESTS = {member.name.lower(): member for member in DigestAlgorithm}
"""The names of hashes as options have them."""


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """Add the URL and how to talk to the server; for commands that send no pkiMessage."""
    parser.add_argument("url", metavar="URL", help="the server's URL, used as given")
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--ca-identifier", metavar="TEXT", help="name of one of several CAs of the server"
    )
    add_exchange_options(group)


def add_exchange_options(group: argparse._ActionsContainer) -> None:
    """Add what is not about the server but about the way to it."""
    group.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default=30.0,
        help="for each exchange (default: 30)",
    )
    group.add_argument(
        "--tls-ca",
        metavar="FILE",
        help="CA certificates in PEM by which the server of an https URL is known (default: the "
        "public ones); SCEP itself needs no TLS",
    )


def add_reply_options(parser: argparse.ArgumentParser) -> None:
    """Add what is read in replies, which the server chooses."""
    group = parser.add_argument_group("what is read in replies")
    group.add_argument(
        "--read-legacy",
        metavar="CIPHER",
        action="append",
        default=[],
        choices=sorted(_LEGACY_CIPHERS),
        help="read replies under 3des, or even des, as old servers send whatever was asked; "
        "may be repeated",
    )
    group.add_argument(
        "--minimum-digest",
        metavar="HASH",
        choices=sorted(DIGESTS),
        default="sha1",
        help="weakest hash in a reply's signature (default: sha1, which NDES refuses with)",
    )
    group.add_argument(
        "--ignore-own-key-usage",
        action="store_true",
        help="ask with a certificate that is for signatures only, as micromdm issues them: "
        "it encrypts the reply to it all the same",
    )


def seconds(text: str) -> float:
    """Read a number of seconds from an option.

    :raises argparse.ArgumentTypeError: it is none that a calendar and a clock can do with.
    """
    return positive_number(text, most=1e8)


def positive_number(text: str, *, most: float) -> float:
    """Read a positive number from an option.

    :raises argparse.ArgumentTypeError: it is none, or larger than *most*.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    if number > most:
        raise argparse.ArgumentTypeError(f"{text!r} is too much; give {most:.0f} at most")
    return number


def reply_rules(arguments: argparse.Namespace) -> ReplyRules:
    """Return what the options of :func:`add_reply_options` say."""
    return ReplyRules(
        read_legacy_ciphers=frozenset(_LEGACY_CIPHERS[name] for name in arguments.read_legacy),
        minimum_digest=DIGESTS[arguments.minimum_digest],
        ignore_key_usage=arguments.ignore_own_key_usage,
    )


@contextmanager
def connect(
    arguments: argparse.Namespace, terminal: Terminal, *, rules: ReplyRules = DEFAULT_RULES
) -> Iterator[Client]:
    """Return a client for the server that the options name."""
    url, ca_identifier = arguments.url, arguments.ca_identifier
    with open_client(url, arguments, terminal, ca_identifier=ca_identifier, rules=rules) as client:
        yield client


@contextmanager
def open_client(
    url: str,
    arguments: argparse.Namespace,
    terminal: Terminal,
    *,
    ca_identifier: str | None,
    rules: ReplyRules,
) -> Iterator[Client]:
    """Return a client that does HTTP by requests and shows it where ``--verbose`` is given.

    :param arguments: the options of :func:`add_exchange_options`.
    :raises UsageError: the file of ``--tls-ca`` cannot be used.
    """
    from pyscep.transport import RequestsTransport  # noqa: PLC0415  # requests costs 95 ms

    with RequestsTransport(timeout=arguments.timeout, tls_ca=arguments.tls_ca) as transport:
        send = _logged(transport, terminal) if terminal.verbose else transport
        yield Client(url, send=send, ca_identifier=ca_identifier, rules=rules)


# -------------------------------------------------------------------------------------- --verbose


def _logged(send: Transport, terminal: Terminal) -> Transport:
    def logged(request: HttpRequest) -> HttpResponse:
        terminal.tell(f"> {describe_request(request)}")
        response = send(request)
        terminal.tell(f"< {describe_response(response)}")
        return response

    return logged


def describe_request(request: HttpRequest) -> str:
    """Describe a request without anything secret: no credentials, no query but the operation."""
    query = request.url.partition("?")[2]
    operation = re.search(r"(?:^|&)operation=(\w+)", query)
    message = re.search(r"(?:^|&)message=([^&]*)", query)
    name = operation.group(1) if operation else "?"
    octets = request.body
    if request.method == "GET" and name == "PKIOperation" and message:
        octets = _decoded(message.group(1))
    return f"{request.method} {request.address} {name}{_describe_message(octets)}"


def describe_response(response: HttpResponse) -> str:
    """Describe a response: its attributes if it is a pkiMessage, as nobody verified yet."""
    kind = response.header("Content-Type") or "no Content-Type"
    body = response.body
    return f"{response.status} {kind}, {len(body)} bytes{_describe_message(body)}"


def _decoded(text: str) -> bytes:
    try:
        return decode_get_message(text)
    except ScepError:
        return b""


def _describe_message(octets: bytes) -> str:
    """Return the readable attributes of a pkiMessage; nothing for whatever else it is."""
    try:
        message = parse_pki_message(octets).verify_possession()
    except ScepError:
        # The signer's certificate may be left out in a reply; then there is only its size.
        return ""
    return f"\n  {', '.join(_attributes(message))}"


def _attributes(message: VerifiedMessage) -> Iterator[str]:
    status = message.pki_status
    yield f"messageType {message.message_type.name}"
    if status is not None:
        yield f"pkiStatus {status.name}"
    if message.fail_info is not None:
        yield f"failInfo {message.fail_info}"
    yield f"transactionID {message.transaction_id}"
    yield f"signed with {message.signature_algorithm.name}"
