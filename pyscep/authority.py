"""What a responder needs of a CA, behind five members.

A real CA is an object of the caller's; :class:`~pyscep.testing.ephemeral_ca.EphemeralCa` is one for
tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from pyscep.certificates import Certificate, Identity
from pyscep.handlers import Issue
from pyscep.pkcs10 import CertificationRequest


class Authority(Protocol):
    """A CA as a responder needs it.

    If one of its members raises, nothing is issued and nothing is recorded, so the client may send
    the same request again. A ProtocolError, SecurityError, UnsupportedError, KeyCapabilityError or
    TransportError becomes a FAILURE; any other ScepError becomes an HTTP error of its
    ``http_status_hint``. Everything else, such as an OSError, is no answer of SCEP: it leaves
    :meth:`Responder.handle <pyscep.responder.Responder.handle>` as it is, for the log of the server
    that has called it, which answers with HTTP status 500.
    """

    @property
    def issuer(self) -> Certificate:
        """The CA certificate that issues."""

    @property
    def published(self) -> tuple[Certificate, ...]:
        """What GetCACert returns: RA certificates and the CA's chain, as far as it is told."""

    @property
    def signer(self) -> Identity:
        """Who signs replies."""

    @property
    def recipients(self) -> tuple[Identity, ...]:
        """Who requests may be encrypted to; if none has an RSA key, challenge passwords encrypt."""

    def issue(self, csr: CertificationRequest, decision: Issue, *, at: datetime) -> Certificate:
        """Issue a certificate; never a CA's, whatever was asked for (R-11)."""

    def crl(self, *, number: int, revoked: Mapping[int, datetime], at: datetime) -> bytes:
        """Return a CRL in DER.

        :param revoked: serial numbers and dates.
        """
