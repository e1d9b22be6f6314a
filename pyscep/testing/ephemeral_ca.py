"""A CA for tests: made in a moment, with or without RA certificates, gone with the process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from pyscep import asn1, der, extensions
from pyscep.algorithms import DigestAlgorithm, KeyType, SignatureAlgorithm
from pyscep.certificates import (
    Certificate,
    Identity,
    key_identifier_of,
    key_type_of,
)
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.extensions import ExtendedKeyUsage, Extension, KeyUsage
from pyscep.handlers import Issue
from pyscep.keys import PrivateKey
from pyscep.names import Name, NameLike, build_name
from pyscep.pkcs10 import (
    CertificationRequest,
    build_certificate,
    encode_signed,
    random_serial_number,
    sign,
    signing_algorithm,
)

ALL_CA_USAGES = (
    KeyUsage.DIGITAL_SIGNATURE,
    KeyUsage.KEY_ENCIPHERMENT,
    KeyUsage.KEY_CERT_SIGN,
    KeyUsage.CRL_SIGN,
)
"""What a CA may do that also signs replies and receives requests (G-11)."""
_REQUESTABLE = frozenset((asn1.SUBJECT_ALT_NAME, asn1.KEY_USAGE, asn1.EXTENDED_KEY_USAGE))
"""The extensions that a client may ask for; never basicConstraints (R-11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EphemeralCa:
    """A CA whose keys never leave the process; make it with :meth:`create`.

    It fits :class:`pyscep.responder.Authority`; :meth:`pyscep.responder.Responder.revoke` revokes.

    Source: RFC 8894 section 2.1.2; G-11, R-11, S-16, Q-06, N-10.
    """

    identity: Identity
    """The certificate and key that issue."""
    parents: tuple[Certificate, ...]
    """The certificates above it, up to the root."""
    signer: Identity
    """Who signs replies: the CA itself, or an RA."""
    recipients: tuple[Identity, ...]
    """Who requests may be encrypted to, the usual one first."""
    lifetime: timedelta
    """How long issued certificates are valid."""
    publish_root: bool
    """Whether GetCACert returns the root too (G-21)."""
    provider: CryptoProvider = field(repr=False)
    """The cryptography."""

    @classmethod
    def create(
        cls,
        *,
        now: datetime | None = None,
        subject: NameLike = "CN=pyscep test CA",
        key: PrivateKey | None = None,
        key_bits: int = 2048,
        intermediate: bool = False,
        separate_ra: bool = False,
        single_ra: bool = False,
        ca_key_usage: tuple[KeyUsage, ...] = ALL_CA_USAGES,
        ca_lifetime: timedelta = timedelta(days=3650),
        lifetime: timedelta = timedelta(days=365),
        publish_root: bool = True,
        provider: CryptoProvider | None = None,
    ) -> EphemeralCa:
        """Make a CA.

        :param now: start of its validity, with a time zone; the present if left out.
        :param key: the key of the issuing CA; a new RSA key of *key_bits* if left out.
        :param intermediate: let a root issue the issuing CA.
        :param separate_ra: make two RA certificates, one to sign replies and one to decrypt.
        :param single_ra: make one RA certificate for both.
        :param ca_lifetime: how long the CA's own certificates are valid.

        Source: G-03, G-04, G-08, G-11, S-16.
        """
        chosen = provider or default_provider()
        start = now or datetime.now(timezone.utc)
        maker = _Maker(chosen, start, start + ca_lifetime, key_bits)
        parents: tuple[Certificate, ...] = ()
        ca_key = key or maker.new_key()
        if intermediate:
            root = maker.authority("CN=pyscep test root", maker.new_key(), None, ALL_CA_USAGES)
            identity = maker.authority(subject, ca_key, root, ca_key_usage)
            parents = (root.certificate,)
        else:
            identity = maker.authority(subject, ca_key, None, ca_key_usage)
        signer, recipient = identity, identity
        if separate_ra:
            signer = maker.registrar("RA sign", identity, (KeyUsage.DIGITAL_SIGNATURE,))
            recipient = maker.registrar("RA encrypt", identity, (KeyUsage.KEY_ENCIPHERMENT,))
        elif single_ra:
            both = (KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_ENCIPHERMENT)
            signer = recipient = maker.registrar("RA", identity, both)
        return cls(
            identity=identity,
            parents=parents,
            signer=signer,
            recipients=(recipient,),
            lifetime=lifetime,
            publish_root=publish_root,
            provider=chosen,
        )

    @property
    def issuer(self) -> Certificate:
        """The certificate that issues."""
        return self.identity.certificate

    @property
    def root(self) -> Certificate:
        """The root certificate, whose fingerprint a client pins."""
        return self.parents[-1] if self.parents else self.issuer

    @property
    def published(self) -> tuple[Certificate, ...]:
        """RA certificates, then the issuing CA, then those above it."""
        registrars = (
            identity.certificate
            for identity in (self.signer, *self.recipients)
            if identity is not self.identity
        )
        above = self.parents if self.publish_root else self.parents[:-1]
        return tuple(dict.fromkeys((*registrars, self.issuer, *above)))

    def issue(self, csr: CertificationRequest, decision: Issue, *, at: datetime) -> Certificate:
        """Issue a certificate with the requested names and usages, and no others.

        :raises UsageError: a date without time zone.

        Source: RFC 8894 section 2.1.2; R-11.
        """
        requested = csr.extensions if decision.extensions is None else decision.extensions
        return self.issue_certificate(
            subject=csr.subject if decision.subject is None else decision.subject,
            public_key=csr.public_key,
            items=[item for item in requested if item.oid in _REQUESTABLE],
            not_before=at,
            lifetime=decision.lifetime or self.lifetime,
        )

    def issue_certificate(
        self,
        *,
        subject: Name,
        public_key: bytes,
        not_before: datetime,
        lifetime: timedelta,
        items: list[Extension] | None = None,
    ) -> Certificate:
        """Issue an end-entity certificate for any key and period, as a test needs it.

        :param items: keyUsage and extendedKeyUsage are added where they are missing.
        """
        found = list(items or ())
        if extensions.find(found, asn1.KEY_USAGE) is None:
            usages = [KeyUsage.DIGITAL_SIGNATURE]
            if key_type_of(public_key) is KeyType.RSA:
                usages.append(KeyUsage.KEY_ENCIPHERMENT)
            found.append(extensions.key_usage(usages))
        if extensions.find(found, asn1.EXTENDED_KEY_USAGE) is None:
            found.append(extensions.extended_key_usage((ExtendedKeyUsage.CLIENT_AUTH,)))
        key = self.identity.key
        return build_certificate(
            issuer=self.issuer.subject,
            subject=subject,
            public_key=public_key,
            serial_number=random_serial_number(self.provider),
            not_before=not_before,
            not_after=not_before + lifetime,
            items=(
                extensions.basic_constraints(ca=False),
                extensions.subject_key_identifier(key_identifier_of(public_key)),
                extensions.authority_key_identifier(key_identifier_of(key.public_key)),
                *found,
            ),
            key=key,
            algorithm=signing_algorithm(key, DigestAlgorithm.SHA256),
        )

    def forge(self, original: Certificate) -> Certificate:
        """Return a certificate for this CA's key with all the names and numbers of another one.

        It is what an attacker would put beside a forged signature (M-34, S-14).
        """
        key = self.identity.key
        return build_certificate(
            issuer=original.issuer,
            subject=original.subject,
            public_key=key.public_key,
            serial_number=original.serial_number,
            not_before=original.not_before,
            not_after=original.not_after,
            items=original.extensions,
            key=key,
            algorithm=signing_algorithm(key, DigestAlgorithm.SHA256),
        )

    def crl(
        self, *, at: datetime, number: int = 1, revoked: Mapping[int, datetime] | None = None
    ) -> bytes:
        """Return a fresh CRL in DER, valid for a day.

        :param revoked: serial numbers and dates; none if left out.

        Source: RFC 5280 section 5.1; Q-06.
        """
        key = self.identity.key
        algorithm = signing_algorithm(key, DigestAlgorithm.SHA256)
        entries = [
            der.sequence(der.integer(serial), der.time(when))
            for serial, when in (revoked or {}).items()
        ]
        crl_number = Extension(oid="2.5.29.20", value=der.integer(number))
        authority = extensions.authority_key_identifier(key_identifier_of(key.public_key))
        content = der.sequence(
            der.integer(1),
            asn1.signature_algorithm_identifier(algorithm),
            self.issuer.subject.der,
            der.time(at),
            der.time(at + timedelta(days=1)),
            der.sequence(*entries) if entries else b"",
            der.explicit(0, extensions.encode_extensions((authority, crl_number))),
        )
        return encode_signed(sign(content, key=key, algorithm=algorithm))

    # -------------------------------------------------------------------------------- rollover

    def roll_over(
        self, *, not_before: datetime, lifetime: timedelta, key: PrivateKey | None = None
    ) -> EphemeralCa:
        """Return the CA that follows this one: the same name, a new key, its own certificate.

        Give it to :attr:`pyscep.responder.Responder.next_authority`.

        Source: RFC 8894 section 4.7; N-01, N-02, N-06, N-10.
        """
        return EphemeralCa.create(
            now=not_before,
            subject=self.issuer.subject,
            key=key,
            ca_lifetime=lifetime,
            lifetime=self.lifetime,
            provider=self.provider,
        )


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the certificates of a CA, all of the same period."""

    provider: CryptoProvider
    not_before: datetime
    not_after: datetime
    key_bits: int

    def new_key(self) -> PrivateKey:
        return self.provider.generate_rsa_key(self.key_bits)

    def authority(
        self,
        subject: NameLike,
        key: PrivateKey,
        parent: Identity | None,
        usages: tuple[KeyUsage, ...],
    ) -> Identity:
        items = [extensions.basic_constraints(ca=True), extensions.key_usage(usages)]
        return self._make(build_name(subject), key, parent, items)

    def registrar(self, name: str, parent: Identity, usages: tuple[KeyUsage, ...]) -> Identity:
        items = [extensions.basic_constraints(ca=False), extensions.key_usage(usages)]
        return self._make(build_name({"common_name": name}), self.new_key(), parent, items)

    def _make(
        self, subject: Name, key: PrivateKey, parent: Identity | None, items: list[Extension]
    ) -> Identity:
        signing_key = key if parent is None else parent.key
        issuer = subject if parent is None else parent.certificate.subject
        algorithm: SignatureAlgorithm = signing_algorithm(signing_key, DigestAlgorithm.SHA256)
        certificate = build_certificate(
            issuer=issuer,
            subject=subject,
            public_key=key.public_key,
            serial_number=random_serial_number(self.provider),
            not_before=self.not_before,
            not_after=self.not_after,
            items=(
                *items,
                extensions.subject_key_identifier(key_identifier_of(key.public_key)),
                extensions.authority_key_identifier(key_identifier_of(signing_key.public_key)),
            ),
            key=signing_key,
            algorithm=algorithm,
        )
        return Identity(certificate=certificate, key=key)
