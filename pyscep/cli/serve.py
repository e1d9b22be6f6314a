"""``serve``: the test responder, on loopback."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from pyscep.cli.certificate_files import read_identity
from pyscep.cli.commands import Commands
from pyscep.cli.connection import describe_request, describe_response, positive_number
from pyscep.cli.exit_codes import ExitCode
from pyscep.cli.keys import key_provider, load_key
from pyscep.cli.passwords import add_secret_options, read_secret
from pyscep.cli.terminal import Terminal, table
from pyscep.errors import UsageError
from pyscep.handlers import EnrolmentRequest, Issue, RequestHandler, static_challenge
from pyscep.http import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from pyscep.store import Store
    from pyscep.testing.ephemeral_ca import EphemeralCa
    from pyscep.testing.faults import Fault
    from pyscep.testing.profiles import Profile, ProfileServer

_HOUR = 3600.0


def add_parser(commands: Commands) -> None:
    """Add the command."""
    serve = commands.add(
        "serve",
        run_serve,
        summary="Answer as a SCEP server for tests, on a loopback address, until Ctrl-C.",
        examples=(
            "pyscep serve --challenge-file challenge.txt",
            "pyscep serve --challenge-env SECRET --profile ndes --port 8080 --verbose",
            "pyscep serve --issue-to-anybody --fault wrong-recipient-nonce",
        ),
        notes="Its CA lives as long as the command, unless key and certificate of one are given.\n"
        "It is for tests only: whoever has the challenge password gets what he asks for.",
    )
    serve.add_argument("--port", type=_port, default=0, help="default: any that is free")
    serve.add_argument(
        "--profile",
        default="standard",
        help="imitate what is known of a server: ndes, micromdm, step_ca, ejbca … (default: "
        "standard, which is RFC 8894)",
    )
    serve.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME",
        help="be wrong in this way, such as wrong-recipient-nonce or pending-twice; may be "
        "repeated",
    )
    serve.add_argument(
        "--list", action="store_true", help="only show the names for --profile and --fault"
    )
    serve.add_argument(
        "--store",
        metavar="FILE",
        help="keep transactions in this SQLite file (default: in memory)",
    )
    serve.add_argument(
        "--next-ca", action="store_true", help="have a next CA certificate, for `pyscep nextca`"
    )
    serve.add_argument(
        "--lifetime",
        metavar="DAYS",
        type=_days,
        default=365.0,
        help="of the certificates that are issued (default: 365)",
    )
    group = serve.add_argument_group("the CA")
    group.add_argument("--ca-cert", metavar="FILE", help="self-signed certificate of the CA")
    group.add_argument("--ca-key", metavar="FILE", help="private key of the CA (RSA)")
    add_secret_options(serve, "ca-key-password", "password of the CA's key file")
    group = serve.add_argument_group("who gets a certificate")
    group.add_argument(
        "--issue-to-anybody", action="store_true", help="without any challenge password"
    )
    group.add_argument(
        "--one-time", action="store_true", help="the challenge password can be used once"
    )
    group.add_argument(
        "--renewal-needs-challenge",
        action="store_true",
        help="a certificate alone does not allow its renewal",
    )
    add_secret_options(serve, "challenge", "challenge password")


def _port(text: str) -> int:
    if text.isascii() and text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port")


def _days(text: str) -> float:
    return positive_number(text, most=36500)


class _Everybody:
    """Issues to whoever asks."""

    def decide(self, request: EnrolmentRequest) -> Issue:
        del request
        return Issue()


def run_serve(arguments: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Run ``pyscep serve``."""
    from pyscep.testing.profiles import (  # noqa: PLC0415  # an HTTP server, 40 ms
        ProfileServer,
        find_profile,
    )

    if arguments.list:
        return _show_names(terminal)
    faults = [_find_fault(name) for name in arguments.fault]
    profile = find_profile(arguments.profile)
    challenge = _challenge(arguments, terminal)
    handler = _handler(arguments, challenge)
    authority = _authority(arguments, profile, terminal)
    with _store(arguments.store) as store:
        responder = profile.make_responder(
            authority=authority, handler=handler, store=store, now=terminal.now
        )
        if challenge is not None:
            # Where the CA's key cannot decrypt.
            responder = replace(responder, challenge_passwords=lambda _: (challenge,))
        if arguments.next_ca:
            responder = replace(responder, next_authority=_next(authority, terminal))
        try:
            server = ProfileServer(responder, profile, port=arguments.port)
        except OSError as error:
            raise UsageError(
                f"Port {arguments.port} cannot be used: {error.strerror}.", argument="port"
            ) from None
        server.misbehave(*faults)
        server.handle = _told(server, terminal)
        with server:
            _show_server(server, authority, faults, terminal)
            _wait_for_end(terminal)
        for problem in server.errors:
            terminal.warn(f"A request ended in an internal error: {problem!r}")
    return ExitCode.SUCCESS


def _find_fault(name: str) -> Fault:
    from pyscep.testing.faults import find_fault  # noqa: PLC0415

    try:
        return find_fault(name)
    except UsageError:
        pass
    # Not with all of them in the text: there are a hundred.
    raise UsageError(f"There is no fault {name!r}; `pyscep serve --list` shows their names.")


def _show_names(terminal: Terminal) -> ExitCode:
    from pyscep.testing.faults import Fault  # noqa: PLC0415
    from pyscep.testing.profiles import PROFILES  # noqa: PLC0415

    profiles = {profile.name: profile.title for profile in PROFILES}
    faults = {_option_name(fault): fault.explanation for fault in Fault}
    text = "\n".join(
        (
            "Profiles:",
            table(profiles.items(), indent="  "),
            "Faults:",
            table(faults.items(), indent="  "),
        )
    )
    terminal.show(text, {"profiles": profiles, "faults": faults})
    return ExitCode.SUCCESS


def _show_server(
    server: ProfileServer, authority: EphemeralCa, faults: Sequence[Fault], terminal: Terminal
) -> None:
    fingerprint = authority.root.sha256_fingerprint
    text = table(
        (
            ("URL", server.url),
            ("Fingerprint", fingerprint),
            ("Imitates", server.profile.title),
            ("Faults", ", ".join(fault.explanation for fault in faults) or None),
        )
    )
    shape = {
        "url": server.url,
        "fingerprint": fingerprint,
        "profile": server.profile.name,
        "faults": [_option_name(fault) for fault in faults],
    }
    terminal.show(text, shape)


def _option_name(fault: Fault) -> str:
    return fault.name.lower().replace("_", "-")


def _told(server: ProfileServer, terminal: Terminal) -> Callable[[HttpRequest], HttpResponse]:
    """Let the terminal know of every exchange; the server itself would keep all of them."""
    handle = server.handle

    def told(request: HttpRequest) -> HttpResponse:
        server.log.clear()
        response = handle(request)
        if terminal.verbose:
            terminal.tell(f"> {describe_request(request)}\n< {describe_response(response)}")
        else:
            terminal.tell(f"{describe_request(request).splitlines()[0]}: {response.status}")
        return response

    return told


def _wait_for_end(terminal: Terminal) -> None:
    try:
        while True:
            terminal.sleep(_HOUR)
    except KeyboardInterrupt:
        terminal.tell("Stopped.")


def _challenge(arguments: argparse.Namespace, terminal: Terminal) -> str | None:
    challenge = read_secret(arguments, "challenge", "Challenge password", terminal)
    if arguments.issue_to_anybody == (challenge is not None):
        raise UsageError(
            "Give either a challenge password, such as with --challenge-file, or "
            "--issue-to-anybody."
        )
    return challenge


def _handler(arguments: argparse.Namespace, challenge: str | None) -> RequestHandler:
    if challenge is None:
        return _Everybody()
    handler = static_challenge(challenge, renewal_needs_challenge=arguments.renewal_needs_challenge)
    return replace(handler, one_time=arguments.one_time)


@contextmanager
def _store(path: str | None) -> Iterator[Store]:
    if path is None:
        from pyscep.memory_store import MemoryStore  # noqa: PLC0415

        yield MemoryStore()
        return
    from pyscep.sqlite_store import SqliteStore  # noqa: PLC0415

    with SqliteStore(path) as store:
        yield store


def _authority(arguments: argparse.Namespace, profile: Profile, terminal: Terminal) -> EphemeralCa:
    """Return the CA that the options name, or make one."""
    from pyscep.testing.ephemeral_ca import EphemeralCa  # noqa: PLC0415

    lifetime = timedelta(days=arguments.lifetime)
    if arguments.ca_cert is None and arguments.ca_key is None:
        made = profile.make_authority(now=terminal.now() - timedelta(days=1))
        return replace(made, lifetime=lifetime)
    if arguments.ca_cert is None or arguments.ca_key is None:
        raise UsageError("A CA of your own needs both --ca-cert and --ca-key.", argument="ca_cert")
    if profile.separate_ra or profile.single_ra or profile.intermediates:
        raise UsageError(
            f"The profile {profile.name} has certificates of its own; leave --ca-cert and --ca-key "
            "out, or use another profile.",
            argument="profile",
        )
    password = read_secret(arguments, "ca-key-password", "Password of the CA's key", terminal)
    identity = read_identity(arguments.ca_cert, load_key(arguments.ca_key, password))
    if not identity.certificate.is_self_issued:
        raise UsageError(
            f"The certificate in {arguments.ca_cert} is no root; give a self-signed one.",
            argument="ca_cert",
        )
    return EphemeralCa(
        identity=identity,
        parents=(),
        signer=identity,
        recipients=(identity,),
        lifetime=lifetime,
        publish_root=True,
        provider=key_provider(),
    )


def _next(authority: EphemeralCa, terminal: Terminal) -> EphemeralCa:
    """Return the CA that follows, whose certificates end later than those of today."""
    later = authority.issuer.not_after - terminal.now() + timedelta(days=365)
    return authority.roll_over(not_before=terminal.now(), lifetime=later)
