"""``enrol``, ``renew`` and ``poll``: the way to a certificate."""

from __future__ import annotations

import argparse
import os
from datetime import timedelta

from pyscep.ca import TrustedCa
from pyscep.capabilities import NO_CAPABILITIES, Capabilities, Capability
from pyscep.certificates import Identity
from pyscep.cli import files, saved_request
from pyscep.cli.authorities import add_force_option
from pyscep.cli.certificate_files import read_identity
from pyscep.cli.choices import add_algorithm_options, is_everything_chosen, select
from pyscep.cli.commands import Commands
from pyscep.cli.connection import (
    add_connection_options,
    add_exchange_options,
    add_reply_options,
    connect,
    open_client,
    reply_rules,
    seconds,
)
from pyscep.cli.csr_options import (
    BuildRequest,
    add_csr_options,
    describe_request,
    is_request_described,
    read_challenge,
)
from pyscep.cli.exit_codes import ExitCode
from pyscep.cli.keys import add_key_options, check_strength, load_key, own_key
from pyscep.cli.outcome import Destination, follow_up
from pyscep.cli.passwords import add_secret_options, read_secret
from pyscep.cli.saved_request import SavedRequest, absolute
from pyscep.cli.shapes import moment
from pyscep.cli.terminal import Terminal
from pyscep.cli.trust import add_trust_options, authenticate, require_trust
from pyscep.client import Client
from pyscep.errors import UsageError
from pyscep.keys import PrivateKey
from pyscep.messages import MessageType
from pyscep.pkcs10 import CertificationRequest, parse_csr, self_signed_identity
from pyscep.schedule import PollSchedule, is_expired
from pyscep.transaction import Reply

_SELF_SIGNED_LIFETIME = timedelta(days=365)
"""Long enough for any polling (W-05)."""
_RENEWALS = {"renewal-req": MessageType.RENEWAL_REQ, "pkcs-req": MessageType.PKCS_REQ}


def add_parser(commands: Commands) -> None:
    """Add the three commands."""
    _add_enrol(commands)
    _add_renew(commands)
    _add_poll(commands)


def _add_enrol(commands: Commands) -> None:
    enrol = commands.add(
        "enrol",
        run_enrol,
        summary="Ask for a first certificate (PKCSReq).",
        examples=(
            (
                "pyscep enrol http://ca.example/scep --fingerprint 6e8f…03ab "
                "--key device.key --new-key rsa:2048 --subject CN=sensor-17,O=Example "
                "--challenge-file challenge.txt --out device.pem --chain-out chain.pem"
            ),
            (
                "pyscep enrol http://ca.example/scep --ca ca.pem --key device.key "
                "--san dns:sensor-17.example --challenge-prompt --out device.pem --wait 3600"
            ),
        ),
        notes="If a person has to approve it, the request is kept in a file for `pyscep poll`.",
    )
    add_connection_options(enrol)
    add_trust_options(enrol)
    add_key_options(enrol)
    add_csr_options(enrol)
    enrol.add_argument_group("instead").add_argument(
        "--csr", metavar="FILE", help="send this certification request, made for the same key"
    )
    add_algorithm_options(enrol)
    add_reply_options(enrol)
    _add_output_options(enrol)
    _add_polling_options(enrol)


def _add_renew(commands: Commands) -> None:
    renew = commands.add(
        "renew",
        run_renew,
        summary="Ask for a new certificate with the one that there is.",
        examples=(
            (
                "pyscep renew http://ca.example/scep --ca chain.pem --cert device.pem "
                "--cert-key device.key --key next.key --new-key rsa:2048 --out next.pem"
            ),
            (
                "pyscep renew http://ca.example/scep --ca chain.pem --cert device.pem "
                "--cert-key device.key --same-key --out next.pem"
            ),
        ),
        notes="Subject and alternative names are those of the certificate, unless others are\n"
        "given. Choose new names for key and certificate, so that a working pair is always there.",
    )
    add_connection_options(renew)
    add_trust_options(renew)
    group = renew.add_argument_group("the certificate to renew")
    group.add_argument("--cert", metavar="FILE", required=True, help="the certificate, in PEM")
    group.add_argument("--cert-key", metavar="FILE", required=True, help="its private key")
    add_secret_options(renew, "cert-key-password", "password of the certificate's key file")
    add_key_options(renew, required=False)
    renew.add_argument_group("instead").add_argument(
        "--same-key", action="store_true", help="have the same key certified again"
    )
    add_csr_options(renew)
    add_algorithm_options(renew)
    renew.add_argument(
        "--renewal-as",
        choices=_RENEWALS,
        help="message to send: renewal-req, or pkcs-req signed with the certificate, as NDES "
        "needs it (default: renewal-req where the server announces Renewal)",
    )
    add_reply_options(renew)
    _add_output_options(renew)
    _add_polling_options(renew)


def _add_poll(commands: Commands) -> None:
    poll = commands.add(
        "poll",
        run_poll,
        summary="Ask what has become of a pending request (CertPoll).",
        examples=(
            "pyscep poll device.pem.state",
            "pyscep poll device.pem.state --wait 86400 --interval 600",
        ),
        notes="Everything needed is in the file that `enrol` or `renew` wrote, but the password\n"
        "of the key, the file of --tls-ca, and the challenge password where a key cannot\n"
        "decrypt, such as an EC key. The file is removed when the CA has decided.",
    )
    poll.add_argument("state", metavar="STATE", help="the file of the pending request")
    add_exchange_options(poll.add_argument_group("connection"))
    poll.add_argument("--key", metavar="FILE", help="the signer's key, if it has been moved")
    add_secret_options(poll, "key-password", "password of the key file")
    add_secret_options(poll, "challenge", "challenge password of the request")
    add_force_option(poll)
    _add_polling_options(poll)


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("files")
    group.add_argument(
        "--out", metavar="FILE", required=True, help="write the certificate there, in PEM"
    )
    group.add_argument(
        "--chain-out",
        metavar="FILE",
        help="write the certificates above it there, in PEM, the root last",
    )
    group.add_argument(
        "--state", metavar="FILE", help="keep a pending request there (default: OUT.state)"
    )
    add_force_option(group)


def _add_polling_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("if the request is pending")
    group.add_argument(
        "--wait",
        metavar="SECONDS",
        type=seconds,
        help="go on asking for so long; without it, end with exit code 4",
    )
    group.add_argument(
        "--interval",
        metavar="SECONDS",
        type=seconds,
        default=60.0,
        help="between two questions (default: 60)",
    )


# ------------------------------------------------------------------------------------------ enrol


def run_enrol(arguments: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Run ``pyscep enrol``."""
    require_trust(arguments)
    _check_files(arguments)
    patience = _patience(arguments)
    build = _given_csr(arguments) if arguments.csr else describe_request(arguments, terminal)
    with connect(arguments, terminal, rules=reply_rules(arguments)) as client:
        # The key is made when it is certain that the right CA is there.
        ca = authenticate(arguments, client.get_ca_cert(), terminal)
        algorithms = select(arguments, _capabilities(client, arguments), terminal)
        key = own_key(arguments, terminal)
        csr = build(key=key)
        identity = _self_signed(csr, key, terminal)
        reply = client.enrol(csr, identity=identity, ca=ca, algorithms=algorithms)
        return follow_up(
            reply,
            client=client,
            identity=identity,
            ca=ca,
            destination=_destination(arguments, client, reply, identity, ca),
            patience=patience,
            challenge_password=csr.challenge_password,
            terminal=terminal,
        )


def _given_csr(arguments: argparse.Namespace) -> BuildRequest:
    if is_request_described(arguments) or arguments.new_key is not None:
        raise UsageError(
            "The request of --csr is sent as it is; leave out --new-key and the options that "
            "describe another."
        )
    octets = files.read(arguments.csr)
    with files.explained(arguments.csr):
        csr = parse_csr(octets)

    def given(*, key: PrivateKey) -> CertificationRequest:
        del key  # whether it is the one in the request is seen when the identity is made
        return csr

    return given


def _self_signed(csr: CertificationRequest, key: PrivateKey, terminal: Terminal) -> Identity:
    return self_signed_identity(
        csr, key=key, not_before=terminal.now(), lifetime=_SELF_SIGNED_LIFETIME
    )


def _capabilities(client: Client, arguments: argparse.Namespace) -> Capabilities:
    """Ask what the server can, unless nothing depends on it: some old ones do not answer that."""
    if is_everything_chosen(arguments) and getattr(arguments, "renewal_as", "any") is not None:
        return NO_CAPABILITIES
    return client.get_ca_caps()


def _state_file(arguments: argparse.Namespace) -> str:
    return str(arguments.state or f"{arguments.out}.state")


def _check_files(arguments: argparse.Namespace) -> None:
    new_key = arguments.key if arguments.new_key is not None else None
    state = _state_file(arguments)
    if os.path.lexists(state) and not arguments.force:
        raise UsageError(
            f"{state} exists: a request is pending. Ask for it with `pyscep poll {state}`, or use "
            "--force to forget it and start anew."
        )
    if new_key is not None and os.path.lexists(new_key) and not arguments.force:
        raise UsageError(
            f"{new_key} exists; leave --new-key out to use that key, or give another name, "
            "or --force to replace it."
        )
    files.check_writable(
        new_key,
        arguments.out,
        arguments.chain_out,
        state,
        force=arguments.force,
        needed=(
            getattr(arguments, "cert_key", None),
            arguments.key if new_key is None else None,
        ),
    )


def _signing_key(arguments: argparse.Namespace) -> str:
    """Return the file of the key that signs the request, and each poll: in a renewal, the old."""
    return str(getattr(arguments, "cert_key", arguments.key))


def _destination(
    arguments: argparse.Namespace,
    client: Client,
    reply: Reply,
    identity: Identity,
    ca: TrustedCa,
) -> Destination:
    saved = SavedRequest(
        url=client.url,
        ca_identifier=client.ca_identifier,
        transaction=reply.transaction,
        signer=identity.certificate,
        ca_certificates=ca.certificates,
        key=absolute(_signing_key(arguments)),
        out=absolute(arguments.out),
        chain_out=None if arguments.chain_out is None else absolute(arguments.chain_out),
        rules=client.rules,
        ignore_ca_key_usage=arguments.ignore_ca_key_usage,
    )
    return Destination(state=_state_file(arguments), force=arguments.force, saved=saved)


def _patience(arguments: argparse.Namespace) -> PollSchedule | None:
    """Return how long to wait for a decision, if that is wanted."""
    if arguments.wait is None:
        return None
    interval = timedelta(seconds=arguments.interval)
    wait = timedelta(seconds=arguments.wait)
    return PollSchedule(first_delay=interval, interval=interval, max_count=None, max_time=wait)


# ------------------------------------------------------------------------------------------ renew


def run_renew(arguments: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Run ``pyscep renew``."""
    require_trust(arguments)
    _check_keys(arguments)
    _check_files(arguments)
    patience = _patience(arguments)
    identity = _existing(arguments, terminal)
    build = describe_request(arguments, terminal, existing=identity.certificate)
    with connect(arguments, terminal, rules=reply_rules(arguments)) as client:
        ca = authenticate(arguments, client.get_ca_cert(), terminal)
        capabilities = _capabilities(client, arguments)
        algorithms = select(arguments, capabilities, terminal)
        key = identity.key if arguments.same_key else own_key(arguments, terminal)
        check_strength(key, terminal)
        csr = build(key=key)
        reply = client.renew(
            csr,
            identity=identity,
            ca=ca,
            message_type=_renewal_type(arguments, capabilities),
            algorithms=algorithms,
        )
        return follow_up(
            reply,
            client=client,
            identity=identity,
            ca=ca,
            destination=_destination(arguments, client, reply, identity, ca),
            patience=patience,
            challenge_password=csr.challenge_password,
            terminal=terminal,
        )


def _check_keys(arguments: argparse.Namespace) -> None:
    if arguments.same_key == (arguments.key is not None):
        raise UsageError(
            "Give either --key, best with --new-key, or --same-key to keep the present one.",
            argument="key",
        )
    if arguments.new_key is None:
        return
    if arguments.key is None:
        raise UsageError("--new-key needs --key, the file for it.", argument="key")
    if os.path.realpath(arguments.key) == os.path.realpath(arguments.cert_key):
        raise UsageError(
            "The new key would replace the one that the present certificate needs; give --key "
            "another name.",
            argument="key",
        )


def _existing(arguments: argparse.Namespace, terminal: Terminal) -> Identity:
    """Read the certificate to be renewed, and its key."""
    password = read_secret(arguments, "cert-key-password", "Password of the present key", terminal)
    identity = read_identity(arguments.cert, load_key(arguments.cert_key, password))
    end = identity.certificate.not_after
    if is_expired(end, at=terminal.now()):
        raise UsageError(
            f"The certificate in {arguments.cert} has expired on {moment(end)}, so it cannot be "
            "renewed; use `pyscep enrol`."
        )
    return identity


def _renewal_type(arguments: argparse.Namespace, capabilities: Capabilities) -> MessageType:
    """Return what to send; as :meth:`pyscep.flows.Flows.renew`, which would ask once more."""
    if arguments.renewal_as is not None:
        return _RENEWALS[arguments.renewal_as]
    announced = capabilities.supports(Capability.RENEWAL)
    return MessageType.RENEWAL_REQ if announced else MessageType.PKCS_REQ


# ------------------------------------------------------------------------------------------- poll


def run_poll(arguments: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Run ``pyscep poll``."""
    saved = saved_request.load(arguments.state)
    destination = Destination(state=arguments.state, force=arguments.force, saved=saved)
    key_file = arguments.key or saved.key
    files.check_writable(
        saved.out, saved.chain_out, force=arguments.force, needed=(arguments.state, key_file)
    )
    patience = _patience(arguments)
    password = read_secret(arguments, "key-password", "Password of the key", terminal)
    challenge = read_challenge(arguments, terminal)
    identity = saved.identity(load_key(key_file, password))
    ca = saved.ca(terminal)
    with open_client(
        saved.url,
        arguments,
        terminal,
        ca_identifier=saved.ca_identifier,
        rules=saved.rules,
    ) as client:
        reply = client.poll(
            saved.transaction, identity=identity, ca=ca, challenge_password=challenge
        )
        return follow_up(
            reply,
            client=client,
            identity=identity,
            ca=ca,
            destination=destination,
            patience=patience,
            challenge_password=challenge,
            terminal=terminal,
        )
