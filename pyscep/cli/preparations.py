"""``key`` and ``csr``: what can be prepared without a server."""

from __future__ import annotations

import argparse
import hashlib

from pyscep import asn1
from pyscep.cli import files
from pyscep.cli.authorities import add_force_option
from pyscep.cli.commands import Commands
from pyscep.cli.csr_options import add_csr_options, describe_request
from pyscep.cli.exit_codes import ExitCode
from pyscep.cli.keys import (
    KEY_TYPES,
    add_key_options,
    check_strength,
    make_key,
    own_key,
    save_key,
)
from pyscep.cli.passwords import add_secret_options, read_secret
from pyscep.cli.shapes import spelled_key, spelled_name
from pyscep.cli.terminal import Terminal, table


def add_parser(commands: Commands) -> None:
    """Add the two commands."""
    key = commands.add(
        "key",
        make_key_file,
        summary="Make a private key.",
        examples=(
            "pyscep key device.key",
            "pyscep key device.key --type rsa:4096 --password-file password.txt",
        ),
        notes="It is written in PKCS #8, in PEM; with a password it is encrypted with AES-256.",
    )
    key.add_argument("out", metavar="FILE", help="where to write it, readable by its owner only")
    key.add_argument(
        "--type",
        choices=KEY_TYPES,
        default="rsa:2048",
        metavar="TYPE",
        help=f"{', '.join(KEY_TYPES)} (default: rsa:2048)",
    )
    add_secret_options(key, "password", "password of the key file")
    add_force_option(key)
    csr = commands.add(
        "csr",
        make_csr_file,
        summary="Build a certification request (PKCS #10).",
        examples=(
            "pyscep csr --key device.key --subject CN=sensor-17,O=Example --out device.csr",
            "pyscep csr --key new.key --new-key rsa:2048 --san dns:sensor-17.example --out a.csr",
            "pyscep csr --key device.key --subject CN=a --challenge-prompt --out device.csr",
        ),
        notes="`pyscep enrol` builds one itself; this one is for other uses, and for\n"
        "`pyscep enrol --csr`. With a challenge password in it, keep it as safe as that.",
    )
    add_key_options(csr)
    add_csr_options(csr, digest="digest")
    group = csr.add_argument_group("files")
    group.add_argument("--out", metavar="FILE", required=True, help="where to write the request")
    group.add_argument("--der", action="store_true", help="write DER instead of PEM")
    add_force_option(group)


def make_key_file(arguments: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Run ``pyscep key``."""
    files.check_writable(arguments.out, force=arguments.force)
    password = read_secret(arguments, "password", "Password for the key", terminal)
    key = make_key(arguments.type)
    check_strength(key, terminal)
    save_key(key, arguments.out, password=password, force=arguments.force)
    public_key = key.public_key
    fingerprint = hashlib.sha256(public_key).hexdigest()
    text = table(
        (
            ("File", arguments.out),
            ("Key", spelled_key(public_key)),
            ("Encrypted", "no" if password is None else "yes"),
            ("Public key SHA-256", fingerprint),
        )
    )
    shape = {
        "file": arguments.out,
        "key": spelled_key(public_key),
        "encrypted": password is not None,
        "public_key_sha256": fingerprint,
    }
    terminal.show(text, shape)
    return ExitCode.SUCCESS


def make_csr_file(arguments: argparse.Namespace, terminal: Terminal) -> ExitCode:
    """Run ``pyscep csr``."""
    new_key = arguments.key if arguments.new_key is not None else None
    needed = arguments.key if new_key is None else None
    files.check_writable(new_key, arguments.out, force=arguments.force, needed=[needed])
    build = describe_request(arguments, terminal)
    csr = build(key=own_key(arguments, terminal))
    octets = csr.der
    if not arguments.der:
        octets = asn1.pem_encode("CERTIFICATE REQUEST", csr.der).encode("ascii")
    files.write(arguments.out, octets, force=arguments.force, private=True)
    names = [spelled_name(name) for name in csr.subject_alt_names]
    text = table(
        (
            ("File", arguments.out),
            ("Subject", str(csr.subject) or "(empty)"),
            ("Alternative names", ", ".join(names) or None),
            ("Key", spelled_key(csr.public_key)),
            ("Signature", csr.signature_algorithm.name),
            ("Challenge password", "no" if csr.challenge_password is None else "yes"),
        )
    )
    shape = {
        "file": arguments.out,
        "subject": str(csr.subject),
        "subject_alt_names": names,
        "key": spelled_key(csr.public_key),
        "signature_algorithm": csr.signature_algorithm.name,
        "has_challenge": csr.challenge_password is not None,
    }
    terminal.show(text, shape)
    return ExitCode.SUCCESS
