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

_UTF8_MARK = b"\xef\xbb\xbf"
_SHOWN = 64


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


_KEYWORDS = {capability.value.lower(): capability for capability in Capability}

IMPLIED_BY_SCEP_STANDARD = frozenset(
    (Capability.AES, Capability.POST_PKI_OPERATION, Capability.SHA256)
)
"""What SCEPStandard says without naming it; Renewal and GetNextCACert are not in it (C-13)."""

UNREGISTERED_KEYWORDS = frozenset(("SHA-224", "SHA-384", "Update"))
"""Seen in the field, never registered, and without effect here (C-30).

A server may have to announce them all the same: strongSwan up to 5.9.8 uses AES only where it
finds ``SHA-384``.
"""


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
        """The names of the choices weaker than AES-128 and SHA-256; the caller's log (C-23).

        Empty for whatever :meth:`Capabilities.select` proposes without ``allow_legacy``.
        """
        chosen = (self.content_encryption_algorithm, self.digest_algorithm)
        return tuple(algorithm.name for algorithm in chosen if algorithm.legacy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a server announces.

    Nobody has signed it, so it is asked for anew each time and never remembered (S-10).

    Source: RFC 8894 sections 3.5.2 and 7.5.
    """

    keywords: frozenset[Capability]
    """The known keywords of the reply."""
    unknown: tuple[str, ...] = ()
    """The other lines of the reply, shortened and in ASCII, for a log (C-08, C-30)."""
    server: str | None = None
    """The Server header of the reply; by ``Microsoft-IIS`` some tell NDES. Nothing here does
    (C-27)."""
    answered: bool = True
    """Whether it was an answer: false after an HTTP error, which also means "none" (C-16)."""

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
        key_encryption_algorithm: KeyEncryptionAlgorithm = KeyEncryptionAlgorithm.RSA_PKCS1_V15,
        http_method: HttpMethod | None = None,
        allow_legacy: bool = False,
        scep_standard: ScepStandardPolicy = ScepStandardPolicy.OPTIONAL,
    ) -> Algorithms:
        """Propose algorithms and HTTP method; an explicit choice always wins.

        AES-128-CBC and SHA-256 are proposed where they are announced, also if more is. NDES 2016
        to 2022 does AES without announcing it: ``content_encryption_algorithm=AES128_CBC`` says
        that you know better (C-26).

        :param content_encryption_algorithm: used as given, announced or not.
        :param digest_algorithm: used as given, announced or not.
        :param key_encryption_algorithm: used as given; no keyword is about it.
        :param http_method: used as given; GET for servers that answer POST with nothing (T-25).
        :param allow_legacy: propose 3DES and SHA-1 where no better is announced: the floor that
            every server has, also one that announces nothing (C-18).
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
            key_encryption_algorithm=key_encryption_algorithm,
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
        _refuse_downgrade(known, "AES", "content_encryption_algorithm=AES128_CBC", "3DES")
    return ContentEncryptionAlgorithm.DES_EDE3_CBC


def _propose_digest(known: Capabilities, allow_legacy: bool) -> DigestAlgorithm:  # noqa: FBT001
    if known.supports(Capability.SHA256):
        return DigestAlgorithm.SHA256
    if known.supports(Capability.SHA512):
        return DigestAlgorithm.SHA512
    if not allow_legacy:
        _refuse_downgrade(known, "SHA-256", "digest_algorithm=SHA256", "SHA-1")
    return DigestAlgorithm.SHA1


def _refuse_downgrade(known: Capabilities, missing: str, choice: str, legacy: str) -> NoReturn:
    offered = _spelled(known.keywords)
    raise DowngradeRefused(
        f"The server does not announce {missing} (it announces "
        f"{', '.join(offered) or 'nothing'}); if it can do that all the same, choose {choice}; "
        f"allow_legacy=True would use {legacy}.",
        offered=offered,
        argument="allow_legacy",
    )


def _spelled(keywords: Iterable[Capability]) -> tuple[str, ...]:
    return tuple(sorted(capability.value for capability in keywords))


NO_CAPABILITIES = Capabilities(keywords=frozenset(), answered=False)
"""What an HTTP error means (C-16)."""


def parse_capabilities(
    body: bytes, *, server: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> Capabilities:
    """Read the body of a GetCACaps reply; whatever is not a known keyword is passed over.

    Only the first ``limits.capabilities_size`` bytes and ``limits.capabilities_lines`` lines are
    looked at, and a web page in place of an answer means "none" (C-31): no content is an error.

    :param server: the Server header of the reply, if there was one.

    Source: RFC 8894 section 3.5.2; C-03, C-04, C-07 to C-09, C-21, C-30, C-31.
    """
    keywords: set[Capability] = set()
    unknown: list[str] = []
    for line in _lines(body, limits):
        # Whole lines are compared: "A" is not AES, "AES-GCM" is not AES (C-09).
        if keyword := _KEYWORDS.get(line.lower()):
            keywords.add(keyword)
        else:
            unknown.append(line[:_SHOWN])
    return Capabilities(keywords=frozenset(keywords), unknown=tuple(unknown), server=server)


def _lines(body: bytes, limits: Limits) -> list[str]:
    """Return the lines that are not empty, in printable ASCII."""
    octets = body.removeprefix(_UTF8_MARK)
    if octets[:_SHOWN].lstrip().startswith(b"<"):
        # A page may well hold a line that reads like a keyword: NDES explains itself in HTML.
        return []
    text = octets[: limits.capabilities_size].decode("ascii", "backslashreplace")
    lines = text.replace("\r", "\n").split("\n")
    if len(octets) > limits.capabilities_size:
        # The last line may be cut: "AES-GCM" must not become "AES".
        lines.pop()
    shown = ("".join(char if char.isprintable() else "?" for char in _strip(x)) for x in lines)
    return [line for line in shown if line][: limits.capabilities_lines]


def _strip(line: str) -> str:
    return line.strip(" \t\v\f\0")


def format_capabilities(
    keywords: Iterable[Capability],
    *,
    extra: Iterable[str] = (),
    line_end: str = "\n",
    spell_out: bool = True,
) -> bytes:
    """Return the body of a GetCACaps reply, for servers; empty if there is nothing to announce.

    :param extra: private keywords, each with its owner as prefix, such as ``Example.com-Foo``;
        also those of :data:`UNREGISTERED_KEYWORDS`.
    :param line_end: LF, as some clients compare whole lines; or CRLF (C-05).
    :param spell_out: also name what SCEPStandard implies, for clients that do not know it.
    :raises UsageError: a private keyword without prefix, or with characters that break lines;
        another *line_end*.

    Source: RFC 8894 sections 3.5.2 and 6; C-03, C-05, C-06, C-14, C-15, C-24.
    """
    if line_end not in ("\n", "\r\n"):
        raise UsageError(
            f"Lines cannot end in {line_end!r}; use LF or CRLF as line_end.", argument="line_end"
        )
    announced = frozenset(keywords)
    if spell_out and Capability.SCEP_STANDARD in announced:
        announced |= IMPLIED_BY_SCEP_STANDARD
    private = tuple(extra)
    for keyword in private:
        if not _is_private(keyword):
            raise UsageError(
                f"{keyword!r} is not a private keyword; write the owner's domain before it, such "
                "as Example.com-Foo.",
                argument="extra",
            )
    return "".join(f"{keyword}{line_end}" for keyword in (*_spelled(announced), *private)).encode()


def _is_private(keyword: str) -> bool:
    owner, _, name = keyword.partition("-")
    printable = keyword.isascii() and keyword.isprintable() and " " not in keyword
    owned = "." in owner.strip(".") and bool(name)
    return keyword in UNREGISTERED_KEYWORDS or (printable and owned)
