"""Chains of certificates, built out of an unordered pool: from one certificate up to a root.

One link of a chain is :func:`pyscep.certificates.is_issued_by`. Nothing is trusted because it is in
a chain; which roots are, is for the caller to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial

from pyscep.certificates import Certificate, is_issued_by
from pyscep.crypto import CryptoProvider
from pyscep.errors import DecodeError
from pyscep.limits import DEFAULT_LIMITS, Limits
from pyscep.names import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain from a certificate towards a root, and what is missing, if anything is.

    Source: RFC 5280 section 6.1; G-14, G-17.
    """

    certificates: tuple[Certificate, ...]
    """The certificate itself, then its issuers."""
    missing_issuer: Name | None
    """The name of the certificate that is missing; ``None`` if none is."""
    problem: str | None
    """What is wrong, in one sentence; ``None`` for a complete chain."""

    @property
    def is_complete(self) -> bool:
        """Whether it ends in a self-signed certificate and nothing is wrong with it."""
        return self.problem is None


def build_chain(
    certificate: Certificate,
    pool: Iterable[Certificate],
    *,
    at: datetime | None,
    provider: CryptoProvider,
    issues: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Chain:
    """Build a chain from *certificate* up to a root out of an unordered *pool*.

    :param pool: uploaded and fetched certificates together; nothing in it is trusted by this.
    :param at: when every certificate has to be valid; ``None`` does not check validity.
    :param issues: whether *certificate* is that of a CA whose own certificates will be checked, so
        that it is one of those that the pathLenConstraints above it count.
    :returns: the shortest chain to a root; without one the longest chain found, with a plain
        statement of what is missing or wrong.

    Source: RFC 5280 section 6.1; RFC 5280 section 4.2.1.9; G-14, D-05, S-19.
    """
    candidates = tuple(dict.fromkeys(pool))
    # All paths at once, level by level, as of several issuers (renewed, cross-signed) perhaps one
    # only leads to a root. A certificate is met again only where fewer CAs stand below it, so that
    # its issuers may allow this way though not the one before; each pair is looked at once, so no
    # pool costs more than its square.
    level: list[tuple[tuple[Certificate, ...], int]] = [((certificate,), 0)]
    met = {certificate: 0}
    is_issued = cache(partial(is_issued_by, provider=provider))
    dead_ends: list[tuple[int, Chain]] = []
    while level:
        above: list[tuple[tuple[Certificate, ...], int]] = []
        for links, lower in level:
            last = links[-1]
            if at is not None and not last.is_valid_at(at):
                problem = _validity_problem(last, at)
                dead_ends.append((len(links) - 1, _chain(links, None, problem)))
                continue
            if is_issued(last, last):
                return _chain(links, None, None)
            is_counted = (issues or last is not certificate) and takes_room(last)
            below = lower + 1 if is_counted else lower
            issuers = [
                c for c in candidates if below < met.get(c, below + 1) and is_issued(last, c)
            ]
            fit = [c for c in issuers if c.path_length is None or below <= c.path_length]
            if not fit or len(links) >= limits.chain_length:
                dead_ends.append((len(links), _open_end(links, issuers, fit, limits)))
                continue
            met.update(dict.fromkeys(fit, below))
            above += [((*links, issuer), below) for issuer in fit]
        level = above
    return max(dead_ends, key=lambda dead_end: dead_end[0])[1]


def takes_room(certificate: Certificate) -> bool:
    """Say whether a CA's certificate is one of those that a pathLenConstraint above it counts.

    One for its own next key, which is self-issued, is not.

    Source: RFC 5280 section 4.2.1.9; G-14.
    """
    try:
        return not certificate.is_self_issued
    except DecodeError:
        # A name that is none is the same as nothing but itself.
        return True


def _chain(links: Sequence[Certificate], missing: Name | None, problem: str | None) -> Chain:
    return Chain(certificates=tuple(links), missing_issuer=missing, problem=problem)


def _open_end(
    links: Sequence[Certificate],
    issuers: Sequence[Certificate],
    fit: Sequence[Certificate],
    limits: Limits,
) -> Chain:
    last = links[-1]
    if issuers and not fit:
        return _chain(
            links,
            None,
            f"{issuers[0].subject} issued the certificate of {last.subject}, but its own allows "
            f"{issuers[0].path_length} CAs below it and no more (pathLenConstraint).",
        )
    if issuers:
        return _chain(
            links,
            None,
            f"The chain has more than {limits.chain_length} certificates; raise "
            "Limits.chain_length if that is right.",
        )
    return _chain(
        links,
        last.issuer,
        f"The certificate of {last.issuer}, which issued {last.subject}, is missing; add it to "
        "the CA certificates.",
    )


def _validity_problem(certificate: Certificate, at: datetime) -> str:
    when = "expired" if at > certificate.not_after else "is not valid yet"
    return (
        f"The certificate of {certificate.subject} {when} (valid from "
        f"{certificate.not_before:%Y-%m-%d %H:%M:%S} to {certificate.not_after:%Y-%m-%d %H:%M:%S} "
        "UTC)."
    )
