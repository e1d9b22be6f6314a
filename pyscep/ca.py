"""From GetCACert to trust: which certificates belong to the CA, and which is for what.

:class:`CaCertificates` is what came over the network, or from a file: nothing in it is believed.
:meth:`CaCertificates.authenticate` turns it into a :class:`TrustedCa`, the only thing that an
enrolment accepts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pyscep import asn1, der
from pyscep.ca_roles import Pool, Waivers, assign_roles, unique
from pyscep.certificates import Certificate, is_issued_by, parse_certificate
from pyscep.chains import Chain
from pyscep.cms_signed import VerifiedSignedData, parse_degenerate, parse_signed_data
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.errors import DecodeError, ProtocolError, UntrustedCa, UsageError
from pyscep.limits import DEFAULT_LIMITS, Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedCa:
    """The CA that the caller decided to trust, with the certificate for each role.

    Only :meth:`CaCertificates.authenticate`, its loud sibling and
    :func:`parse_next_ca_certificates` make one.

    Source: RFC 8894 section 2.2; G-08, G-09, G-13, A-12, E-04, E-05.
    """

    issuer: Certificate
    """The CA certificate that issues; its subject is the issuer of what one gets."""
    signers: tuple[Certificate, ...]
    """Who may sign replies, the expected one first; nobody else may (A-12)."""
    recipient: Certificate
    """Whom requests are encrypted to. Without an RSA key it cannot decrypt, and is only there to
    say so: the challenge password encrypts what is sent to this CA (E-04)."""
    chain: Chain
    """From :attr:`issuer` to the root, and what is missing if the root is not there."""

    def check_validity(self, at: datetime) -> None:
        """Refuse certificates that are not valid now, though they were when authenticated.

        :param at: the present, with a time zone.
        :raises UntrustedCa: fetch the CA certificates anew.

        Source: RFC 8894 section 2.2; G-14, G-23.
        """
        for certificate in self.certificates:
            if not certificate.is_valid_at(at):
                raise UntrustedCa(
                    f"The certificate of {certificate.subject} is valid from "
                    f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d} only; "
                    "fetch the CA certificates anew.",
                    actual=certificate.sha256_fingerprint,
                )

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Every certificate of the CA, each once: issuer and chain, signers, recipient."""
        return tuple(dict.fromkeys((*self.chain.certificates, *self.signers, self.recipient)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CaCertificates:
    """Certificates that claim to be the CA's; order has no meaning (G-07).

    Source: RFC 8894 section 4.2.1; G-07, G-19, D-05.
    """

    certificates: tuple[Certificate, ...]
    """As received."""

    def authenticate(
        self,
        *,
        at: datetime | None,
        sha256: str | bytes | None = None,
        sha1: str | bytes | None = None,
        anchors: Sequence[Certificate] = (),
        extra: Sequence[Certificate] = (),
        anchor_may_be_intermediate: bool = False,
        ignore_key_usage: bool = False,
        ra_may_be_any_end_entity: bool = False,
        encrypt_with_challenge: bool = False,
        provider: CryptoProvider | None = None,
    ) -> TrustedCa:
        """Find out whether these are the CA's certificates, and which is for what.

        One certificate is the anchor: the one with the given fingerprint, or one of *anchors*.
        Every certificate that is used has to chain to it; a certificate that merely comes along
        with the right one is worth nothing (G-17).

        :param at: when all of them have to be valid, with a time zone; ``None`` on a device
            without clock, which then accepts expired certificates.
        :param sha256: fingerprint of the root certificate: 32 bytes, or hexadecimal in any case
            with colons or spaces as the CA prints it.
        :param sha1: the same with SHA-1, for CAs that print nothing better.
        :param anchors: certificates that the caller has by another way and trusts. They are the
            anchors where no fingerprint is given; with one, they only complete the chain.
        :param extra: further certificates to build chains with; not trusted by being given.
        :param anchor_may_be_intermediate: accept a fingerprint of a certificate that is not
            self-signed, where the CA does not publish its root.
        :param ignore_key_usage: use RA certificates whose keyUsage has only one of the two bits
            for both roles, as some Microsoft installations need (G-12).
        :param ra_may_be_any_end_entity: accept an RA certificate whose extendedKeyUsage is that of
            an ordinary certificate. Then whoever has a certificate of this CA, and the network in
            hand, can pose as its server and collect challenge passwords.
        :param encrypt_with_challenge: accept a CA of which no certificate has an RSA key, so that
            requests are encrypted with the challenge password. Only for who knows that it has
            none: somebody on the network can leave one out, record the request, and guess.
        :raises UsageError: neither fingerprint nor anchors, or a malformed fingerprint.
        :raises UntrustedCa: not that CA, or a certificate that does not belong to it, has expired,
            has no use, or stands lower than a pathLenConstraint above it allows.

        Source: RFC 8894 section 2.2; RFC 5280 section 4.2.1.9; G-07 to G-18, T-30, T-31, S-19.
        """
        chosen = provider or default_provider()
        pool = unique((*self.certificates, *anchors, *extra))
        if sha256 is None and sha1 is None:
            if not anchors:
                raise UsageError(
                    "Nothing says which CA is the right one; give sha256= (the fingerprint of "
                    "the root certificate) or anchors=.",
                    argument="sha256",
                )
            trusted: Sequence[Certificate] = tuple(anchors)
        else:
            anchor = _find_anchor(
                pool, sha256, sha1, chosen, may_be_intermediate=anchor_may_be_intermediate
            )
            trusted = (anchor,)
        return _trusted_ca(
            Pool(
                fetched=self.certificates,
                given=unique((*anchors, *extra)),
                anchors=tuple(trusted),
                at=at,
            ),
            waivers=Waivers(
                ignore_key_usage=ignore_key_usage,
                ra_may_be_any_end_entity=ra_may_be_any_end_entity,
                encrypt_with_challenge=encrypt_with_challenge,
            ),
            provider=chosen,
        )

    def authenticate_without_verification(
        self,
        *,
        reason: str,
        at: datetime | None,
        ignore_key_usage: bool = False,
        provider: CryptoProvider | None = None,
    ) -> TrustedCa:
        """Trust whoever answered: for laboratories. Anybody on the network can be that CA.

        The challenge password goes to whoever that is.

        :param reason: why that is right here, for whoever reads the code.
        :raises UsageError: no reason.
        :raises UntrustedCa: the certificates do not fit together.

        Source: RFC 8894 section 2.2; G-18, T-31.
        """
        if not reason.strip():
            raise UsageError(
                "Trusting an unknown CA needs a reason; give reason=, or rather sha256= to "
                "authenticate().",
                argument="reason",
            )
        anchors = tuple(c for c in self.certificates if c.is_ca)
        return _trusted_ca(
            Pool(fetched=self.certificates, given=(), anchors=anchors, at=at),
            waivers=Waivers(
                ignore_key_usage=ignore_key_usage,
                ra_may_be_any_end_entity=True,
                encrypt_with_challenge=True,
            ),
            provider=provider or default_provider(),
        )


def _trusted_ca(pool: Pool, *, waivers: Waivers, provider: CryptoProvider) -> TrustedCa:
    roles = assign_roles(pool, waivers=waivers, provider=provider)
    return TrustedCa(
        issuer=roles.issuer,
        signers=roles.signers,
        recipient=roles.recipient,
        chain=roles.chain,
    )


# ---------------------------------------------------------------------------------------- parsing


def parse_ca_certificates(octets: bytes, *, limits: Limits = DEFAULT_LIMITS) -> CaCertificates:
    """Parse the body of a GetCACert reply, or a file with certificates in PEM, DER or PKCS #7.

    What it is is seen from the bytes, not from any header (G-05).

    :raises DecodeError: neither certificate nor PKCS #7.
    :raises LimitExceeded: more or larger than *limits* allow.
    :raises ProtocolError: no certificate in it.

    Source: RFC 8894 section 4.2.1; G-03 to G-06, G-22.
    """
    limits.check_size(len(octets), what="The reply to GetCACert")
    bag = _split_bag(octets, limits)
    limits.check("certificates", len(bag), what="There are {} CA certificates")
    certificates = tuple(parse_certificate(each, limits=limits) for each in bag)
    if not certificates:
        raise ProtocolError(
            "The reply to GetCACert has no certificate in it; check the server's URL and its CA "
            "configuration.",
            reference="RFC 8894 section 4.2.1",
        )
    return CaCertificates(certificates=unique(certificates))


def _split_bag(octets: bytes, limits: Limits) -> tuple[bytes, ...]:
    # Tools write words for people before a PEM block, so it need not be at the beginning.
    if octets[:1] != b"\x30" and b"-----BEGIN " in octets:
        return (
            *asn1.pem_blocks(octets, "CERTIFICATE"),
            *(
                certificate
                for block in asn1.pem_blocks(octets, "PKCS7")
                for certificate in parse_degenerate(block, limits=limits).certificates
            ),
        )
    if _starts_with_oid(octets):
        return parse_degenerate(octets, limits=limits).certificates
    return (octets,)


def _starts_with_oid(octets: bytes) -> bool:
    """Whether it is a ContentInfo: SEQUENCE, then an OID; a certificate has a SEQUENCE there."""
    if octets[:1] != bytes((der.SEQUENCE,)) or not octets[1:]:
        raise DecodeError(
            "The reply to GetCACert is neither a certificate nor PKCS #7; check the server's URL."
        )
    # What a long length has above 0x80 is the number of its bytes.
    header = 2 + max(0, octets[1] - 0x80)
    return octets[header : header + 1] == bytes((der.OID,))


def parse_next_ca_certificates(
    octets: bytes,
    *,
    current: TrustedCa,
    at: datetime | None,
    provider: CryptoProvider | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> TrustedCa:
    """Read a GetNextCACert reply: the CA's next certificates, signed by the current CA.

    Two shapes occur. Nested, the new certificates are the signed content. Flat, they stand beside
    it, outside the signature; then each has to be issued by the current CA besides.

    :param current: the authenticated CA of today; the reply's own certificates prove nothing.
    :param at: the present, with a time zone; ``None`` does not look for expired certificates.
    :raises DecodeError: not that structure.
    :raises SignatureInvalid: not signed by the current CA.
    :raises UntrustedCa: not newer than the current CA (perhaps an old reply), expired, or
        certificates that are not covered by anything.

    Source: RFC 8894 section 4.7.1; N-02 to N-05, N-09.
    """
    chosen = provider or default_provider()
    unverified = parse_signed_data(
        octets, content_types=(asn1.DATA, asn1.SIGNED_DATA), limits=limits
    )
    named = [c for c in current.signers if unverified.signer_identifier.names(c)]
    verified = unverified.verify((named or current.signers)[0], provider=chosen)
    nested = verified.content
    bag = parse_degenerate(nested, limits=limits).certificates if nested else verified.certificates
    found = unique(parse_certificate(each, limits=limits) for each in bag)
    fresh = tuple(c for c in found if c not in current.certificates)
    if not nested:
        _refuse_pki_message(verified)
        _require_issued_by_current(fresh, current, chosen)
    anchors = tuple(c for c in fresh if c.is_ca)
    _require_newer(anchors, current, at)
    return _trusted_ca(
        # Not valid yet is the point of a next CA, so validity is checked above instead.
        Pool(fetched=fresh, given=current.certificates, anchors=anchors, at=None),
        # What is signed lacks nothing that the CA did not leave out itself.
        waivers=Waivers(encrypt_with_challenge=bool(nested)),
        provider=chosen,
    )


def _refuse_pki_message(verified: VerifiedSignedData) -> None:
    """Refuse a PENDING or FAILURE that somebody put certificates into (N-04).

    It has no content either, so the CA's signature is right and says nothing about them.
    """
    if verified.attributes.get(asn1.MESSAGE_TYPE) is not None:
        raise UntrustedCa(
            "The reply to GetNextCACert is a pkiMessage with certificates beside it, for which the "
            "CA has not signed; do not use them.",
            expected="a signed set of certificates",
            actual="a pkiMessage",
        )


def _require_issued_by_current(
    certificates: Iterable[Certificate], current: TrustedCa, provider: CryptoProvider
) -> None:
    for certificate in certificates:
        if not is_issued_by(certificate, current.issuer, provider=provider):
            raise UntrustedCa(
                f"The next CA certificate of {certificate.subject} stands outside the signed "
                "content and was not issued by the current CA, so nothing vouches for it.",
                expected=str(current.issuer.subject),
                actual=str(certificate.issuer),
            )


def _require_newer(anchors: Sequence[Certificate], current: TrustedCa, at: datetime | None) -> None:
    """Refuse an old reply, as there is neither nonce nor transactionID to tell it by (N-05)."""
    if not anchors:
        raise UntrustedCa("The reply to GetNextCACert has no CA certificate that is new.")
    for anchor in anchors:
        if anchor.not_after <= current.issuer.not_after or (
            at is not None and anchor.not_after < at
        ):
            raise UntrustedCa(
                f"The next CA certificate of {anchor.subject} ends on "
                f"{anchor.not_after:%Y-%m-%d}, not after the current one "
                f"({current.issuer.not_after:%Y-%m-%d}); it may be an old reply sent again.",
                expected=f"after {current.issuer.not_after:%Y-%m-%d}",
                actual=f"{anchor.not_after:%Y-%m-%d}",
            )


# ---------------------------------------------------------------------------------- fingerprints


def normalise_fingerprint(fingerprint: str | bytes, *, size: int) -> bytes:
    """Return a fingerprint as bytes, from bytes or hexadecimal with colons, spaces, any case.

    :param size: 32 for SHA-256, 20 for SHA-1.
    :raises UsageError: not hexadecimal, or of another length.

    Source: G-15, G-16.
    """
    argument = "sha256" if size == 32 else "sha1"
    octets = fingerprint if isinstance(fingerprint, bytes) else _unhex(fingerprint, argument)
    if len(octets) != size:
        raise UsageError(
            f"The fingerprint has {len(octets)} bytes, but SHA-{256 if size == 32 else 1} has "
            f"{size}; take it over the DER of the root certificate (MD5 is not accepted).",
            argument=argument,
        )
    return octets


def _unhex(text: str, argument: str) -> bytes:
    stripped = "".join(text.replace(":", "").split())
    try:
        return bytes.fromhex(stripped)
    except ValueError:
        pass
    raise UsageError(
        f"{text!r} is not a fingerprint; write it in hexadecimal, with or without colons.",
        argument=argument,
    )


def _find_anchor(
    pool: Sequence[Certificate],
    sha256: str | bytes | None,
    sha1: str | bytes | None,
    provider: CryptoProvider,
    *,
    may_be_intermediate: bool,
) -> Certificate:
    wanted256 = None if sha256 is None else normalise_fingerprint(sha256, size=32)
    wanted1 = None if sha1 is None else normalise_fingerprint(sha1, size=20)
    found = [
        c
        for c in pool
        if (wanted256 is None or hashlib.sha256(c.der).digest() == wanted256)
        and (wanted1 is None or hashlib.sha1(c.der, usedforsecurity=False).digest() == wanted1)
    ]
    expected = " and ".join(each.hex() for each in (wanted256, wanted1) if each is not None)
    if not found:
        seen = ", ".join(f"{c.sha256_fingerprint} ({c.subject})" for c in pool if c.is_ca)
        raise UntrustedCa(
            f"No certificate has the fingerprint {expected}; the CA certificates seen have "
            f"{seen or 'none at all'}; if the root is missing among them, add it with anchors=.",
            expected=expected,
            actual=seen,
        )
    anchor = found[0]
    if not anchor.is_ca:
        raise UntrustedCa(
            f"The fingerprint is that of {anchor.subject}, which is no CA; give the fingerprint "
            "of the root certificate.",
            expected="a CA certificate",
            actual=str(anchor.subject),
        )
    if not may_be_intermediate and not is_issued_by(anchor, anchor, provider=provider):
        raise UntrustedCa(
            f"The fingerprint is that of {anchor.subject}, which is no root but was issued by "
            f"{anchor.issuer}; give the root's fingerprint, or allow it with "
            "anchor_may_be_intermediate=True.",
            expected="a self-signed certificate",
            actual=str(anchor.subject),
        )
    return anchor
