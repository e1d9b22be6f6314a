"""One call for a newcomer: a key, a request, the CA's certificates, and the answer.

Every decision that this module takes is written down in :func:`enrol`; who wants another one uses
:class:`pyscep.client.Client`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from pyscep.certificates import Certificate, Identity
from pyscep.chains import Chain
from pyscep.client import Client
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.errors import UntrustedCa
from pyscep.extensions import GeneralName
from pyscep.flows import Transport
from pyscep.keys import PrivateKey
from pyscep.names import NameLike
from pyscep.pkcs10 import build_csr, self_signed_identity
from pyscep.transaction import require_success


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A certificate with its key, and the chain above it."""

    certificate: Certificate
    """The issued certificate."""
    key: PrivateKey = field(repr=False)
    """Its private key."""
    chain: Chain
    """From the certificate up to the root."""

    @property
    def identity(self) -> Identity:
        """Certificate and key together, as a renewal needs them."""
        return Identity(certificate=self.certificate, key=self.key)


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


def enrol(
    url: str,
    *,
    subject: NameLike,
    ca_sha256: str | bytes | None,
    challenge_password: str | None = None,
    subject_alt_names: Iterable[GeneralName] = (),
    key: PrivateKey | None = None,
    key_bits: int = 2048,
    timeout: float = 30.0,
    send: Transport | None = None,
    now: Callable[[], datetime] = _utc_now,
    provider: CryptoProvider | None = None,
) -> Enrolment:
    """Enrol for a certificate, with safe choices for everything that is not given.

    AES-128 and SHA-256, or an error; no legacy algorithm, no retry, no redirect, no proxy from the
    environment; a self-signed certificate of 30 days for the request.

    :param ca_sha256: SHA-256 fingerprint of the CA's root certificate. With ``None`` nothing is
        sent to the CA but GetCACert, and the error tells the fingerprints seen, to be compared
        with what the CA's administrator says.
    :param key: a new RSA key of *key_bits* if left out.
    :param timeout: seconds for each HTTP exchange.
    :param send: does HTTP instead of requests.
    :param now: the clock.
    :raises UntrustedCa: another CA, or no fingerprint given.
    :raises RequestRefused: the CA refused; the text says the likely cause.
    :raises RequestPending: the CA wants somebody to approve; use ``Client`` to poll.
    :raises TransportError: the network failed.
    :raises ScepError: whatever else was wrong.

    Source: RFC 8894 section 2; G-18, T-31.
    """
    chosen = provider or default_provider()
    client = Client(url, send=send or _requests_transport(timeout), provider=chosen)
    certificates = client.get_ca_cert()
    if ca_sha256 is None:
        seen = ", ".join(
            f"{c.sha256_fingerprint} ({c.subject})" for c in certificates.certificates if c.is_ca
        )
        raise UntrustedCa(
            f"Nothing was sent, because the CA is not authenticated. It shows {seen}; ask its "
            "administrator for the fingerprint and give it as ca_sha256.",
            actual=seen,
        )
    moment = now()
    ca = certificates.authenticate(sha256=ca_sha256, at=moment, provider=chosen)
    key = key or chosen.generate_rsa_key(key_bits)
    csr = build_csr(
        subject=subject,
        key=key,
        challenge_password=challenge_password,
        subject_alt_names=subject_alt_names,
    )
    identity = self_signed_identity(
        csr, key=key, not_before=moment, lifetime=timedelta(days=30), provider=chosen
    )
    issued = require_success(client.enrol(csr, identity=identity, ca=ca))
    return Enrolment(certificate=issued.certificate, key=key, chain=issued.chain)


def _requests_transport(timeout: float) -> Transport:
    from pyscep.transport import RequestsTransport  # noqa: PLC0415  # requests costs 95 ms

    return RequestsTransport(timeout=timeout)
