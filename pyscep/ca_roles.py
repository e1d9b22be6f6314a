"""Who is who among the certificates of a CA: the one that issues, and those for each purpose.

Certificates say by their extensions what they are for, and by their signatures where they belong.
:func:`assign_roles` finds the issuing CA, who signs and who receives, and refuses what does not fit
together; :mod:`pyscep.ca` makes a :class:`~pyscep.ca.TrustedCa` of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from itertools import product
from typing import NamedTuple

from pyscep import extensions
from pyscep.certificates import Certificate, is_issued_by
from pyscep.chains import Chain, build_chain, takes_room
from pyscep.cms_enveloped import needs_password
from pyscep.crypto import CryptoProvider
from pyscep.errors import UntrustedCa
from pyscep.extensions import KeyUsage
from pyscep.limits import DEFAULT_LIMITS


def unique(certificates: Iterable[Certificate]) -> tuple[Certificate, ...]:
    """Return each certificate once, in the order of first appearance."""
    return tuple(dict.fromkeys(certificates))


class Waivers(NamedTuple):
    """Which of the rules about roles the caller has given up."""

    ignore_key_usage: bool = False
    """One of the two bits of a keyUsage will do for both."""
    ra_may_be_any_end_entity: bool = False
    """An RA's extendedKeyUsage may be that of an ordinary certificate."""
    encrypt_with_challenge: bool = False
    """No certificate need have an RSA key."""


class Pool(NamedTuple):
    """What roles are assigned from."""

    fetched: tuple[Certificate, ...]
    """What the server sent; only here a stranger is suspicious."""
    given: tuple[Certificate, ...]
    """What the caller has by another way."""
    anchors: tuple[Certificate, ...]
    """Those that are trusted as they are."""
    at: datetime | None
    """When everything has to be valid."""

    @property
    def every(self) -> tuple[Certificate, ...]:
        """All certificates at hand."""
        return unique((*self.fetched, *self.given))

    def for_chains(
        self, trusted: Sequence[Certificate], provider: CryptoProvider
    ) -> tuple[Certificate, ...]:
        """Return what a chain may consist of: trusted, given by the caller, or a root (G-17).

        A root above an intermediate anchor needs no trust of its own: its key signed the anchor,
        and that key signed it. Any other certificate above may be somebody's who certified the
        genuine name and key anew under a root of his own.
        """
        return tuple(
            c
            for c in self.every
            if c in trusted or c in self.given or is_issued_by(c, c, provider=provider)
        )

    def trusted(self, provider: CryptoProvider) -> tuple[Certificate, ...]:
        """Return the anchors and what chains to one, everything being valid at that time.

        It goes down from the anchors, each pair of certificates being looked at once, so that a
        bag of cross-signed certificates costs no more than its square (S-19).

        :raises UntrustedCa: a CA stands lower than one above it allows (pathLenConstraint).
        """
        candidates = [c for c in self.every if self.at is None or c.is_valid_at(self.at)]
        is_issued = cache(partial(is_issued_by, provider=provider))
        # How many CAs may stand below each. Who says nothing about it has room for all of a chain.
        room = {c: _least(_LONGEST, c) for c in candidates if c in self.anchors}
        too_low: dict[Certificate, Certificate] = {}
        latest = list(room)
        for _ in range(_LONGEST):
            further: dict[Certificate, None] = {}
            for certificate, issuer in product(candidates, latest):
                # By another way there may be more room, never more than its issuer has.
                if room.get(certificate, -1) >= room[issuer] or not is_issued(certificate, issuer):
                    continue
                left = _room_below(room[issuer], certificate)
                if left < 0:
                    too_low[certificate] = issuer
                elif left > room.get(certificate, -1):
                    room[certificate] = left
                    further[certificate] = None
            latest = list(further)
        _refuse_too_low({c: by for c, by in too_low.items() if not _is_another_of(c, room)})
        return tuple(room)


class Roles(NamedTuple):
    """What was found among the certificates."""

    issuer: Certificate
    """The CA that issues."""
    signers: tuple[Certificate, ...]
    """Who may sign replies, the expected one first."""
    recipient: Certificate
    """Whom requests are encrypted to."""
    chain: Chain
    """From the issuer to the root, as far as it is at hand."""


_LONGEST = DEFAULT_LIMITS.chain_length


def _least(room: int, certificate: Certificate) -> int:
    allowed = certificate.path_length
    return room if allowed is None else min(room, allowed)


def _room_below(room: int, certificate: Certificate) -> int:
    """Return how many CAs may stand below *certificate*, whose issuer has *room*; -1 for no way.

    What does not issue needs no room, nor does a CA's certificate for its own next key. This is for
    who goes down from an anchor; :mod:`pyscep.chains` has the same for who goes up.

    Source: RFC 5280 section 4.2.1.9.
    """
    if not certificate.may_issue:
        return 0
    return _least(room - 1 if takes_room(certificate) else room, certificate)


def _is_another_of(certificate: Certificate, trusted: Iterable[Certificate]) -> bool:
    """Say whether the same CA is trusted by another certificate, which has room enough."""
    return any(
        c.public_key == certificate.public_key and c.subject == certificate.subject
        for c in trusted
        if c.may_issue
    )


def _refuse_too_low(too_low: Mapping[Certificate, Certificate]) -> None:
    for certificate, issuer in too_low.items():
        raise UntrustedCa(
            f"{issuer.subject} has certified {certificate.subject} as a CA, where the "
            "pathLenConstraint of a CA certificate allows none; what is issued below it would be "
            "refused by others too, so have the CA's administrator put it right.",
            expected=f"no CA below {issuer.subject}",
            actual=str(certificate.subject),
        )


def assign_roles(pool: Pool, *, waivers: Waivers, provider: CryptoProvider) -> Roles:
    """Find out who is who among certificates.

    :raises UntrustedCa: one that does not belong to the CA, has expired, or a role without any.

    Source: RFC 8894 section 2.2; G-08, G-09, G-12, G-14, G-17, E-04, E-29.
    """
    trusted = pool.trusted(provider)
    authorities = tuple(c for c in trusted if c.may_issue)
    registrars = tuple(c for c in trusted if not c.may_issue)
    _refuse_strangers(pool, trusted, registrars)
    _refuse_other_ca(pool, trusted)
    if not waivers.ra_may_be_any_end_entity:
        _refuse_ordinary(pool, registrars)
    issuer = _find_issuing_ca(authorities, registrars, provider)
    signers = _fit_for(KeyUsage.DIGITAL_SIGNATURE, registrars, issuer, waivers)
    recipients = [
        c
        for c in _fit_for(KeyUsage.KEY_ENCIPHERMENT, registrars, issuer, waivers)
        if not needs_password(c)
    ]
    if all(needs_password(c) for c in (issuer, *registrars)):
        # Never by itself: who leaves an RSA certificate out could guess at the password (E-29).
        if not waivers.encrypt_with_challenge:
            raise UntrustedCa(
                "None of the CA's certificates has an RSA key, so requests would be encrypted "
                "with the challenge password; if the CA really has none, allow it with "
                "encrypt_with_challenge=True.",
                actual=", ".join(str(c.subject) for c in trusted),
            )
        recipients = [issuer]
    if not signers or not recipients:
        missing = "receive requests (RSA, keyEncipherment)" if signers else "sign replies"
        raise UntrustedCa(
            f"None of the CA's certificates may {missing}; if the server uses one of them all the "
            "same, allow it with ignore_key_usage=True.",
            actual=", ".join(str(c.subject) for c in trusted),
        )
    return Roles(
        issuer=issuer,
        signers=signers,
        recipient=recipients[0],
        chain=build_chain(
            issuer,
            pool.for_chains(trusted, provider),
            at=pool.at,
            issues=True,
            provider=provider,
        ),
    )


def _fit_for(
    usage: KeyUsage, registrars: Iterable[Certificate], issuer: Certificate, waivers: Waivers
) -> tuple[Certificate, ...]:
    """Return who may do this: RA certificates for one purpose, those for both, the CA (G-09)."""
    fit = [c for c in registrars if waivers.ignore_key_usage or c.allows(usage)]
    itself = waivers.ignore_key_usage or _may_act_itself(issuer, usage)
    return (*sorted(fit, key=_is_dual), *((issuer,) if itself else ()))


def _refuse_strangers(
    pool: Pool, trusted: Sequence[Certificate], registrars: Sequence[Certificate]
) -> None:
    """Refuse a bag with an RA certificate that does not belong to the CA (G-14, G-17)."""
    strangers = [c for c in pool.fetched if not c.may_issue and c not in trusted]
    expired = [c for c in strangers if pool.at is not None and not c.is_valid_at(pool.at)]
    if not strangers or (registrars and strangers == expired):
        # An outdated RA certificate beside a current one is only left over.
        return
    stranger = strangers[0]
    why = (
        "has expired or is not valid yet"
        if stranger in expired
        else "does not chain to the trusted CA through valid certificates"
    )
    raise UntrustedCa(
        f"The certificate of {stranger.subject}, which came with the CA's, {why}; do not use this "
        "server before that is clear.",
        expected=", ".join(str(c.subject) for c in pool.anchors),
        actual=str(stranger.issuer),
    )


def _refuse_other_ca(pool: Pool, trusted: Sequence[Certificate]) -> None:
    """Refuse a server of another CA, or of none that is valid, though the anchor be at hand."""
    if not any(c in trusted for c in pool.fetched):
        raise UntrustedCa(
            "No certificate that the server sent chains to the trusted CA through valid "
            "certificates; check the server's URL, the fingerprint and this device's clock.",
            expected=", ".join(str(c.subject) for c in pool.anchors),
            actual=", ".join(str(c.subject) for c in pool.fetched),
        )


def _find_issuing_ca(
    authorities: Sequence[Certificate],
    registrars: Sequence[Certificate],
    provider: CryptoProvider,
) -> Certificate:
    """Return the CA that issues: the one that has no other CA below it (G-08)."""
    lowest = [
        c
        for c in authorities
        if not any(
            other is not c and is_issued_by(other, c, provider=provider) for other in authorities
        )
    ]
    # Several, for instance the issuing CAs of a whole company: the RA tells which one is meant.
    of_registrars = [
        c for c in lowest if any(is_issued_by(r, c, provider=provider) for r in registrars)
    ]
    candidates = of_registrars or lowest
    if len(candidates) != 1:
        raise UntrustedCa(
            "Which certificate is the issuing CA is not clear: "
            f"{', '.join(str(c.subject) for c in candidates) or 'none is a valid CA'}; give only "
            "those of one CA.",
            actual=str(len(candidates)),
        )
    return candidates[0]


def _is_dual(certificate: Certificate) -> bool:
    """Order a certificate for one purpose before one for both (G-09)."""
    return certificate.allows(KeyUsage.DIGITAL_SIGNATURE) and certificate.allows(
        KeyUsage.KEY_ENCIPHERMENT
    )


def _may_act_itself(issuer: Certificate, usage: KeyUsage) -> bool:
    """Whether the CA may do without RA.

    Many CAs do so with a keyUsage of keyCertSign and cRLSign only, which says nothing about SCEP;
    one that names either bit means what it says (G-09, G-12).
    """
    usages = issuer.key_usage or frozenset()
    silent = not usages & {KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_ENCIPHERMENT}
    return silent or usage in usages


_RA_PURPOSES = frozenset(
    (
        "2.5.29.37.0",  # anyExtendedKeyUsage
        "1.3.6.1.4.1.311.20.2.1",  # Microsoft's Certificate Request Agent, as NDES has it
        "1.3.6.1.5.5.7.3.28",  # id-kp-cmcRA (RFC 6402)
    )
)


def _refuse_ordinary(pool: Pool, registrars: Iterable[Certificate]) -> None:
    """Refuse an ordinary certificate of the CA in the place of an RA's.

    Whoever has a certificate of this CA could otherwise put it into a GetCACert reply and be sent
    the challenge passwords. One for clients or servers says so in its extendedKeyUsage.
    """
    for certificate in registrars:
        purposes = extensions.read_extended_key_usage(certificate.extensions)
        if purposes is None or _RA_PURPOSES & set(purposes) or certificate in pool.anchors:
            continue
        raise UntrustedCa(
            f"The certificate of {certificate.subject}, which came with the CA's, is an ordinary "
            "one: its extendedKeyUsage is not that of an RA. If the server really uses it, allow "
            "it with ra_may_be_any_end_entity=True.",
            expected="an RA certificate",
            actual=", ".join(purposes),
        )
