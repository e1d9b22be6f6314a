"""A CA for tests: made in a moment, with or without RA certificates, gone with the process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
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
from pyscep.errors import UsageError
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

_SIGNING_CA_USAGES = (KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN)
ALL_CA_USAGES = (*_SIGNING_CA_USAGES, KeyUsage.KEY_ENCIPHERMENT)
"""What a CA may do that also signs replies and receives requests (G-11)."""
_OF_CAS = frozenset((KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN))
_ANY_PURPOSE = "2.5.29.37.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class EphemeralCa:
    """A CA whose keys never leave the process; make it with :meth:`create`.

    It fits :class:`pyscep.authority.Authority`; :meth:`pyscep.responder.Responder.revoke` revokes.

    Source: RFC 8894 section 2.1.2; G-11, R-11, S-16, Q-06, N-10.
    """

    identity: Identity
    """The certificate and key that issue."""
    parents: tuple[Identity, ...]
    """The CAs above it, up to the root."""
    signer: Identity
    """Who signs replies: the CA itself, or an RA."""
    recipients: tuple[Identity, ...]
    """Who requests may be encrypted to, the usual one first; one without an RSA key says that
    nobody can decrypt."""
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
        intermediates: int = 0,
        separate_ra: bool = False,
        single_ra: bool = False,
        ca_key_usage: tuple[KeyUsage, ...] | None = None,
        ca_lifetime: timedelta = timedelta(days=3650),
        lifetime: timedelta = timedelta(days=365),
        publish_root: bool = True,
        provider: CryptoProvider | None = None,
    ) -> EphemeralCa:
        """Make a CA.

        :param now: start of its validity, with a time zone; the present if left out.
        :param key: the key of the issuing CA, RSA or EC; a new RSA key if left out. Nothing can be
            encrypted to an EC key: without an RA, whose keys are RSA, requests come encrypted with
            challenge passwords (:attr:`pyscep.responder.Responder.challenge_passwords`).
        :param key_bits: size of all RSA keys that are made.
        :param intermediates: how many CAs there are below the root; the last of them issues.
        :param separate_ra: make two RA certificates, one to sign replies and one to decrypt.
        :param single_ra: make one RA certificate for both.
        :param ca_key_usage: the keyUsage of the issuing CA; all that its key can do if left out.
            Without CRL_SIGN, a responder answers no GetCRL.
        :param ca_lifetime: how long the CA's own certificates are valid.
        :raises UsageError: both kinds of RA, or a negative number.

        Source: G-03, G-04, G-08, G-11, G-13, S-16, E-05.
        """
        chosen = provider or default_provider()
        start = now or datetime.now(timezone.utc)
        ca_key = key or chosen.generate_rsa_key(key_bits)
        _check_roles(intermediates, separate_ra=separate_ra, single_ra=single_ra)
        maker = _Maker(chosen, start, start + ca_lifetime, key_bits)
        parents: tuple[Identity, ...] = ()
        for level in range(intermediates):
            name = f"CN=pyscep test CA {level}" if level else "CN=pyscep test root"
            above = parents[0] if parents else None
            parents = (maker.authority(name, maker.new_key(), above, ALL_CA_USAGES), *parents)
        usages = ca_key_usage or _usages_of(ca_key)
        identity = maker.authority(subject, ca_key, parents[0] if parents else None, usages)
        signer, recipient = maker.registrars(identity, separate_ra=separate_ra, single_ra=single_ra)
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
        return self.parents[-1].certificate if self.parents else self.issuer

    @property
    def published(self) -> tuple[Certificate, ...]:
        """RA certificates, then the issuing CA, then those above it."""
        registrars = (
            identity.certificate
            for identity in (self.signer, *self.recipients)
            if identity is not self.identity
        )
        above = [parent.certificate for parent in self.parents]
        told = above if self.publish_root else above[:-1]
        return tuple(dict.fromkeys((*registrars, self.issuer, *told)))

    def issue(self, csr: CertificationRequest, decision: Issue, *, at: datetime) -> Certificate:
        """Issue a certificate with the requested names and usages, and no others.

        :raises DecodeError: one of these extensions is malformed.
        :raises UsageError: a date without time zone.

        Source: RFC 8894 section 2.1.2; R-11.
        """
        requested = csr.extensions if decision.extensions is None else decision.extensions
        return self.issue_certificate(
            subject=csr.subject if decision.subject is None else decision.subject,
            public_key=csr.public_key,
            items=_granted(requested),
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

        The CA keeps no list itself: a responder's store does, see
        :meth:`pyscep.responder.Responder.revoke`.

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
        """Return the CA that follows this one: the same names and roles, new keys.

        It stands below the same parents, if there are any. Give it to
        :attr:`pyscep.responder.Responder.next_authority`.

        :param key: the new key of the issuing CA; a new RSA key if left out.

        Source: RFC 8894 section 4.7; N-01, N-02, N-06, N-10.
        """
        single_ra = self.signer in self.recipients and self.signer is not self.identity
        separate_ra = self.signer not in self.recipients
        new_key = key or self.provider.generate_rsa_key(2048)
        maker = _Maker(self.provider, not_before, not_before + lifetime, 2048)
        usages = tuple(self.issuer.key_usage or ())
        if key_type_of(new_key.public_key) is not self.issuer.key_type:
            usages = _usages_of(new_key)
        parent = self.parents[0] if self.parents else None
        identity = maker.authority(self.issuer.subject, new_key, parent, usages)
        signer, recipient = maker.registrars(identity, separate_ra=separate_ra, single_ra=single_ra)
        return replace(self, identity=identity, signer=signer, recipients=(recipient,))


def _granted(requested: Iterable[Extension]) -> list[Extension]:
    """Return what an end entity may have of the extensions asked for.

    Never basicConstraints, nor what only CAs may do, nor every purpose there is (R-11).

    :raises DecodeError: one that it may have is malformed.
    """
    asked = tuple(requested)
    granted: list[Extension] = []
    names = extensions.find(asked, asn1.SUBJECT_ALT_NAME)
    if names is not None and extensions.read_subject_alt_names(asked):
        granted.append(names)
    usages = (extensions.read_key_usage(asked) or frozenset()) - _OF_CAS
    if usages:
        granted.append(extensions.key_usage(usages))
    purposes = [p for p in extensions.read_extended_key_usage(asked) or () if p != _ANY_PURPOSE]
    if purposes:
        granted.append(extensions.extended_key_usage(purposes))
    return granted


def _usages_of(key: PrivateKey) -> tuple[KeyUsage, ...]:
    return ALL_CA_USAGES if key_type_of(key.public_key) is KeyType.RSA else _SIGNING_CA_USAGES


def _check_roles(intermediates: int, *, separate_ra: bool, single_ra: bool) -> None:
    if intermediates < 0:
        raise UsageError(
            f"There cannot be {intermediates} CAs below the root; use 0 or more.",
            argument="intermediates",
        )
    if separate_ra and single_ra:
        raise UsageError(
            "There is either one RA certificate or two; use one of single_ra and separate_ra.",
            argument="single_ra",
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

    def registrars(
        self, identity: Identity, *, separate_ra: bool, single_ra: bool
    ) -> tuple[Identity, Identity]:
        """Return who signs and who decrypts."""
        if separate_ra:
            return (
                self.registrar("RA sign", identity, (KeyUsage.DIGITAL_SIGNATURE,)),
                self.registrar("RA encrypt", identity, (KeyUsage.KEY_ENCIPHERMENT,)),
            )
        if single_ra:
            both = (KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_ENCIPHERMENT)
            registrar = self.registrar("RA", identity, both)
            return registrar, registrar
        return identity, identity

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
