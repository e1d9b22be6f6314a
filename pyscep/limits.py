"""How much input is accepted: one frozen value that every parser takes (T-29, S-19, S-20)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from pyscep.errors import LimitExceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds on input; the defaults fit every known server and small devices.

    Raise a field with ``dataclasses.replace(Limits(), message_size=…)``.

    Source: T-29, M-20, E-25, S-19, S-20.
    """

    message_size: int = 2 * 1024 * 1024
    """Bytes in one HTTP body, message, certificate bag or CRL."""
    depth: int = 32
    """Nesting of ASN.1 structures."""
    elements: int = 20_000
    """ASN.1 elements in one message that comes in BER and must be transcoded."""
    certificates: int = 64
    """Certificates, or CRLs, in one message."""
    attributes: int = 64
    """Attributes in one SignerInfo or certification request."""
    recipients: int = 32
    """RecipientInfos in one envelope."""
    extensions: int = 64
    """Extensions in one certificate, request or CRL."""
    name_attributes: int = 64
    """Attributes in one distinguished name."""
    name_size: int = 4096
    """Bytes in one distinguished name; the time to compare two may grow with the square."""
    public_key_size: int = 16 * 1024
    """Bytes in one SubjectPublicKeyInfo; the last few are remembered, strangers' too."""
    transaction_id_size: int = 1024
    """Bytes in a transactionID."""
    nonce_size: int = 256
    """Bytes in a nonce of the peer; RFC 8894 says 16, deployed clients vary (M-26)."""
    kdf_iterations: int = 1_000_000
    """PBKDF2 iterations in a file."""
    message_kdf_iterations: int = 100_000
    """PBKDF2 iterations in a message, for each password that is tried; fewer than in a file, as a
    server computes them for strangers."""
    rsa_bits_min: int = 1024
    """Smallest RSA key that is used for anything."""
    rsa_bits_max: int = 8192
    """Largest RSA key that is used for anything; time grows with the square."""
    capabilities_size: int = 16 * 1024
    """Bytes of a GetCACaps reply that are looked at."""
    capabilities_lines: int = 256
    """Lines of a GetCACaps reply that are looked at."""
    json_size: int = 256 * 1024
    """Characters of a saved transaction."""
    chain_length: int = 10
    """Certificates in one chain, root included."""

    def check_size(self, size: int, *, what: str) -> None:
        """Refuse input of more than :attr:`message_size` bytes.

        :param size: in bytes.
        :param what: names the input in the error.
        :raises LimitExceeded: it is larger.

        Source: T-29.
        """
        if size > self.message_size:
            self.refuse("message_size", size, what=f"{what} has {{}} bytes")

    def check(self, limit: str, value: int, *, what: str) -> None:
        """Compare one counted *value* with the field named *limit*.

        :param what: begins the error; ``{}`` in it stands for the value, so that nothing is
            written where nothing is wrong.
        :raises LimitExceeded: it is larger.

        Source: S-19.
        """
        if value > getattr(self, limit):
            self.refuse(limit, value, what=what)

    def refuse(self, limit: str, value: int, *, what: str) -> NoReturn:
        """Refuse a *value* that has been compared already, as it is in loops over elements.

        :param what: as in :meth:`check`.
        :raises LimitExceeded: always; the error names the field to raise.

        Source: S-19.
        """
        told = what.replace("{}", str(value))
        raise LimitExceeded(
            f"{told}, but Limits.{limit} allows {getattr(self, limit)}; raise that field if the "
            "peer is known to send so much.",
            limit=limit,
            value=value,
        )


DEFAULT_LIMITS = Limits()
"""The limits used where the caller gives none."""
