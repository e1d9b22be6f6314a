"""Private keys: made, read and written; the options for that."""

from __future__ import annotations

import argparse
import os
from typing import Protocol

from pyscep.certificates import rsa_bits_of
from pyscep.cli import files
from pyscep.cli.passwords import add_secret_options, read_secret
from pyscep.cli.terminal import Terminal
from pyscep.crypto import CryptoProvider
from pyscep.errors import UsageError
from pyscep.keys import PrivateKey

RSA_SIZES = (1024, 2048, 3072, 4096)
CURVES = ("secp256r1", "secp384r1", "secp521r1")
KEY_TYPES = tuple(f"rsa:{size}" for size in RSA_SIZES) + tuple(f"ec:{curve}" for curve in CURVES)
"""The kinds of keys as options have them."""

_STRONG_RSA = 2048


class KeyProvider(CryptoProvider, Protocol):
    """A provider that also writes keys."""

    def dump_private_key(self, key: PrivateKey, *, password: str | None = None) -> bytes:
        """Write a private key in PKCS #8 and PEM."""


def key_provider() -> KeyProvider:
    """Return the provider that makes, reads and writes keys."""
    from pyscep.crypto.oscrypto_provider import OscryptoProvider  # noqa: PLC0415  # 60 ms

    return OscryptoProvider()


def add_key_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the key that is to be certified, which may have to be made."""
    group = parser.add_argument_group("key")
    group.add_argument("--key", metavar="FILE", required=required, help="the private key")
    group.add_argument(
        "--new-key",
        metavar="TYPE",
        choices=KEY_TYPES,
        help="make the key and write it to that file: rsa:2048, rsa:3072, rsa:4096 (SCEP needs "
        "RSA to answer a client), ec:secp256r1 …",
    )
    add_secret_options(parser, "key-password", "password of the key file")


def own_key(arguments: argparse.Namespace, terminal: Terminal) -> PrivateKey:
    """Read the key that the options name, or make it and write it.

    :raises UsageError: it cannot be read, or would overwrite another file.
    """
    password = read_secret(arguments, "key-password", "Password of the key", terminal)
    if arguments.new_key is None:
        if not os.path.lexists(arguments.key):
            raise UsageError(
                f"There is no file {arguments.key}; --new-key rsa:2048 makes the key and writes it "
                "there."
            )
        key = load_key(arguments.key, password)
    else:
        key = make_key(arguments.new_key)
        save_key(key, arguments.key, password=password, force=arguments.force)
        terminal.tell(f"Made the key {arguments.key}.")
    check_strength(key, terminal)
    return key


def make_key(kind: str) -> PrivateKey:
    """Make a key of one of :data:`KEY_TYPES`."""
    family, _, parameter = kind.partition(":")
    if family == "ec":
        return key_provider().generate_ec_key(parameter)
    return key_provider().generate_rsa_key(int(parameter))


def save_key(key: PrivateKey, path: str, *, password: str | None, force: bool) -> None:
    """Write a key in PKCS #8, for its owner's eyes only.

    :raises UsageError: there is a file of that name.
    """
    octets = key_provider().dump_private_key(key, password=password)
    files.write(path, octets, force=force, private=True)


def load_key(path: str, password: str | None) -> PrivateKey:
    """Read a key.

    :raises UsageError: it is none, or the password is missing or wrong.
    """
    octets = files.read(path)
    with files.explained(path):
        return key_provider().load_private_key(octets, password=password)


def check_strength(key: PrivateKey, terminal: Terminal) -> None:
    """Say it if a key that is to be certified is weak."""
    bits = rsa_bits_of(key.public_key)
    if bits is not None and bits < _STRONG_RSA:
        terminal.warn(f"An RSA key of {bits} bits is weak; use rsa:2048 or more if you can.")
