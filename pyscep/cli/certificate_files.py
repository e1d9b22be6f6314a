"""Certificates from files: in whichever form they come, with errors about the file."""

from __future__ import annotations

from pyscep.ca import parse_ca_certificates
from pyscep.certificates import Certificate, Identity
from pyscep.cli import files
from pyscep.errors import ScepError, UsageError
from pyscep.keys import PrivateKey


def read_certificates(path: str) -> tuple[Certificate, ...]:
    """Read a file with certificates in PEM, DER or PKCS #7.

    :raises UsageError: there is none, or one that cannot be read.
    """
    octets = files.read(path)
    try:
        return parse_ca_certificates(octets).certificates
    except ScepError:
        # Its text is about the reply of a server.
        pass
    raise UsageError(
        f"{path} has no certificate that can be read, in PEM, DER or PKCS #7; `pyscep inspect "
        f"{path}` says what it is."
    )


def read_certificate(path: str) -> Certificate:
    """Read a file with one certificate.

    :raises UsageError: there is none, or more than one.
    """
    certificates = read_certificates(path)
    if len(certificates) > 1:
        raise UsageError(f"{path} has {len(certificates)} certificates; give a file with one.")
    return certificates[0]


def read_identity(path: str, key: PrivateKey) -> Identity:
    """Read the certificate of *key* from a file, which may hold its chain too.

    :raises UsageError: there is none.
    """
    for certificate in read_certificates(path):
        if certificate.public_key == key.public_key:
            return Identity(certificate=certificate, key=key)
    raise UsageError(f"{path} has no certificate for the given key; give the key of that one.")
