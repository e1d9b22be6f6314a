"""GetCACaps: what a server says it can, and what to choose because of it.

The reply is not authenticated, so it can only ever be a proposal: whatever the caller chooses
explicitly wins, and nothing below AES-128 and SHA-256 is proposed unless the caller allows legacy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
)
from pyscep.errors import DowngradeRefused, UsageError, WeakAlgorithm
from pyscep.limits import DEFAULT_LIMITS, Limits


class HttpMethod(Enum):
    """How a pkiMessage travels (RFC 8894 section 4.1; T-01)."""

    GET = "GET"
    POST = "POST"


class Capability(Enum):
    """The keywords of GetCACaps, spelled as on the wire (RFC 8894 section 3.5.2; C-10 to C-13)."""

    AES = "AES"
    DES3 = "DES3"
    GET_NEXT_CA_CERT = "GetNextCACert"
    POST_PKI_OPERATION = "POSTPKIOperation"
    RENEWAL = "Renewal"
    SHA1 = "SHA-1"
    SHA256 = "SHA-256"
    SHA512 = "SHA-512"
    SCEP_STANDARD = "SCEPStandard"


IMPLIED_BY_SCEP_STANDARD = frozenset(
    (Capability.AES, Capability.POST_PKI_OPERATION, Capability.SHA256)
)
"""What SCEPStandard says without naming it; Renewal and GetNextCACert are not in it (C-13)."""


class ScepStandardPolicy(Enum):
    """What to make of a reply without SCEPStandard, which an attacker may have taken out (C-22)."""

    OPTIONAL = "optional"
    """Believe the reply."""
    REQUIRE = "require"
    """Refuse to go on without it."""
    ASSUME = "assume"
    """Go on as if it had been there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithms:
    """What to send a message with: three separate choices, and the HTTP method.

    The hash of the certification request and of a self-signed certificate is chosen where those
    are made.

    :raises WeakAlgorithm: single DES, which is never sent.

    Source: RFC 8894 section 2.9; C-18, C-19, E-12.
    """

    content_encryption_algorithm: ContentEncryptionAlgorithm = ContentEncryptionAlgorithm.AES128_CBC
    """The cipher of the envelope."""
    digest_algorithm: DigestAlgorithm = DigestAlgorithm.SHA256
    """The hash over content and signed attributes."""
    key_encryption_algorithm: KeyEncryptionAlgorithm = KeyEncryptionAlgorithm.RSA_PKCS1_V15
    """How the content key is encrypted."""
    http_method: HttpMethod = HttpMethod.POST
    """How the message travels."""

    def __post_init__(self) -> None:
        if self.content_encryption_algorithm is ContentEncryptionAlgorithm.DES_CBC:
            raise WeakAlgorithm(
                "Single DES is never sent (RFC 8894 section 2.9); use AES128_CBC, or DES_EDE3_CBC "
                "for old servers.",
                algorithm=ContentEncryptionAlgorithm.DES_CBC.name,
            )

    @property
    def downgrades(self) -> tuple[str, ...]:
        """The choices that are weaker than AES-128 and SHA-256, for a log (C-23)."""
        found = []
        if self.content_encryption_algorithm.legacy:
            found.append(self.content_encryption_algorithm.name)
        if self.digest_algorithm.legacy:
            found.append(self.digest_algorithm.name)
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a server announces; unauthenticated.

    Source: RFC 8894 section 3.5.2.
    """

    keywords: frozenset[Capability]
    """The known keywords of the reply."""
    unknown: tuple[str, ...] = ()
    """The other lines of the reply, for a log (C-08, C-30)."""
    server: str | None = None
    """The Server header of the reply, by which some tell NDES (C-27)."""
    answered: bool = True
    """Whether the server answered with status 200 (C-16)."""

    def supports(self, capability: Capability) -> bool:
        """Whether the keyword is there, or implied by SCEPStandard.

        Source: RFC 8894 section 3.5.2; C-13.
        """
        return capability in self.keywords or (
            Capability.SCEP_STANDARD in self.keywords and capability in IMPLIED_BY_SCEP_STANDARD
        )

    def select(
        self,
        *,
        content_encryption_algorithm: ContentEncryptionAlgorithm | None = None,
        digest_algorithm: DigestAlgorithm | None = None,
        http_method: HttpMethod | None = None,
        allow_legacy: bool = False,
        scep_standard: ScepStandardPolicy = ScepStandardPolicy.OPTIONAL,
    ) -> Algorithms:
        """Propose algorithms and HTTP method; an explicit choice always wins.

        AES-128-CBC and SHA-256 are proposed where they are announced, also if more is. NDES does
        AES without announcing it: choose the cipher explicitly there (C-26).

        :param allow_legacy: propose 3DES and SHA-1 where no better is announced.
        :param scep_standard: what to make of a reply without SCEPStandard.
        :raises DowngradeRefused: only legacy is announced, or SCEPStandard is missing though
            required; names the argument that would allow it.
        :raises WeakAlgorithm: single DES was chosen.

        Source: RFC 8894 sections 3.5.2 and 7.5; C-10, C-13, C-16 to C-23, C-26, T-02.
        """
        known = self._under(scep_standard)
        cipher = content_encryption_algorithm or _propose_cipher(known, allow_legacy)
        digest = digest_algorithm or _propose_digest(known, allow_legacy)
        post = known.supports(Capability.POST_PKI_OPERATION)
        return Algorithms(
            content_encryption_algorithm=cipher,
            digest_algorithm=digest,
            http_method=http_method or (HttpMethod.POST if post else HttpMethod.GET),
        )

    def _under(self, policy: ScepStandardPolicy) -> Capabilities:
        if policy is ScepStandardPolicy.OPTIONAL or Capability.SCEP_STANDARD in self.keywords:
            return self
        if policy is ScepStandardPolicy.ASSUME:
            return Capabilities(keywords=self.keywords | {Capability.SCEP_STANDARD})
        raise DowngradeRefused(
            "The server does not announce SCEPStandard, or somebody took it out; if this server is "
            "known to be older, use scep_standard=ScepStandardPolicy.OPTIONAL.",
            offered=_spelled(self.keywords),
            argument="scep_standard",
        )


def _propose_cipher(
    known: Capabilities,
    allow_legacy: bool,  # noqa: FBT001
) -> ContentEncryptionAlgorithm:
    if known.supports(Capability.AES):
        return ContentEncryptionAlgorithm.AES128_CBC
    if not allow_legacy:
        _refuse_downgrade(known, "AES", "content_encryption_algorithm=AES128_CBC")
    return ContentEncryptionAlgorithm.DES_EDE3_CBC


def _propose_digest(known: Capabilities, allow_legacy: bool) -> DigestAlgorithm:  # noqa: FBT001
    if known.supports(Capability.SHA256):
        return DigestAlgorithm.SHA256
    if known.supports(Capability.SHA512):
        return DigestAlgorithm.SHA512
    if not allow_legacy:
        _refuse_downgrade(known, "SHA-256", "digest_algorithm=SHA256")
    return DigestAlgorithm.SHA1


def _refuse_downgrade(known: Capabilities, missing: str, choice: str) -> NoReturn:
    offered = _spelled(known.keywords)
    raise DowngradeRefused(
        f"The server does not announce {missing} (it announces "
        f"{', '.join(offered) or 'nothing'}); choose {choice} if it can do that all the same, or "
        "use allow_legacy=True for 3DES and SHA-1.",
        offered=offered,
        argument="allow_legacy",
    )


def _spelled(keywords: Iterable[Capability]) -> tuple[str, ...]:
    return tuple(sorted(capability.value for capability in keywords))


NO_CAPABILITIES = Capabilities(keywords=frozenset(), answered=False)
"""What an HTTP error or an empty reply means (C-16)."""


def parse_capabilities(
    body: bytes, *, server: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> Capabilities:
    """Read the body of a GetCACaps reply; whatever is not a known keyword is passed over.

    Only the first ``limits.capabilities_size`` bytes and ``limits.capabilities_lines`` lines are
    looked at, so that a web page instead of an answer means "none" (C-31).

    :param server: the Server header of the reply, if there was one.

    Source: RFC 8894 section 3.5.2; C-03, C-04, C-07 to C-09, C-21, C-30, C-31.
    """
    text = body[: limits.capabilities_size].decode("utf-8-sig", "replace")
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n")]
    known = {capability.value.lower(): capability for capability in Capability}
    keywords: set[Capability] = set()
    unknown: list[str] = []
    for line in [line for line in lines if line][: limits.capabilities_lines]:
        if line.lower() in known:
            keywords.add(known[line.lower()])
        else:
            unknown.append(line[:64])
    return Capabilities(keywords=frozenset(keywords), unknown=tuple(unknown), server=server)


def format_capabilities(
    keywords: Iterable[Capability], *, extra: Iterable[str] = (), line_end: str = "\n"
) -> bytes:
    """Return the body of a GetCACaps reply: for servers.

    :param extra: private keywords, each with its owner as prefix, such as ``Example.com-Foo``.
    :param line_end: LF by default, as some clients compare whole lines (C-05).
    :raises UsageError: a private keyword without prefix, or with characters that break lines.

    Source: RFC 8894 sections 3.5.2 and 6; C-03, C-05, C-06, C-24.
    """
    private = tuple(extra)
    for keyword in private:
        owner = keyword.partition("-")[0]
        if "." not in owner or not keyword.isascii() or not keyword.isprintable() or " " in keyword:
            raise UsageError(
                f"{keyword!r} is not a private keyword; write the owner before it, such as "
                "Example.com-Foo.",
                argument="extra",
            )
    return "".join(f"{keyword}{line_end}" for keyword in (*_spelled(keywords), *private)).encode()
