"""Imitations of real servers, as far as their behaviour is known.

Each :class:`Profile` is a page of data with its sources. **None of them is the server that it is
named after**: each shows what was observed or documented of it, and behaves by the standard in
everything else. A client that works with a profile has met that server's known quirks; whether it
works with the server, only the server can say.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

from pyscep import asn1, der
from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.errors import UsageError
from pyscep.extensions import KeyUsage
from pyscep.handlers import ChallengeHandler, RequestHandler
from pyscep.http import HttpRequest, HttpResponse
from pyscep.keys import PrivateKey
from pyscep.messages import FailInfo, MessageType, PkiStatus
from pyscep.pki_message import parse_pki_message
from pyscep.responder import AES_CIPHERS, SHA2_DIGESTS, Responder
from pyscep.store import Store
from pyscep.testing.draft import Draft, number
from pyscep.testing.ephemeral_ca import EphemeralCa
from pyscep.testing.faults import MisbehavingServer, OnDraft, Stage

_DES3 = ContentEncryptionAlgorithm.DES_EDE3_CBC
_ALL_CIPHERS = AES_CIPHERS | {_DES3}
_ALL_DIGESTS = SHA2_DIGESTS | {DigestAlgorithm.SHA1}
_NO_QUERIES = frozenset((MessageType.CERT_POLL, MessageType.GET_CERT, MessageType.GET_CRL))
_CERT_SIGN_ONLY = (KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of one server; everything left out is as the standard has it."""

    name: str
    """Short, for options: ``ndes``."""
    title: str
    """What is imitated."""
    sources: tuple[str, ...]
    """Where that is known from."""
    path: str = "/scep"
    """The path of its URL."""
    keywords: tuple[str, ...] | None = None
    """What GetCACaps announces, if it is not what is enforced; the order is kept."""
    line_end: str = "\n"
    """What is between the lines of GetCACaps."""
    final_line_end: bool = True
    """Whether it is also after the last line."""
    methods: AbstractSet[str] = frozenset(("GET", "POST"))
    """The HTTP methods for PKIOperation."""
    separate_ra: bool = False
    """Whether there are two RA certificates."""
    single_ra: bool = False
    """Whether there is one RA certificate."""
    intermediates: int = 0
    """How many CAs there are below the root."""
    ca_key_usage: tuple[KeyUsage, ...] | None = None
    """The keyUsage of the issuing CA."""
    always_pkcs7: bool = False
    """Whether GetCACert answers a single certificate in PKCS #7 too."""
    ciphers: AbstractSet[ContentEncryptionAlgorithm] = _ALL_CIPHERS
    """The ciphers that requests may use."""
    digests: AbstractSet[DigestAlgorithm] = _ALL_DIGESTS
    """The hashes that requests may use."""
    renewal: bool = True
    """Whether RenewalReq is understood."""
    renewal_needs_challenge: bool = False
    """Whether a renewal needs the challenge password all the same."""
    unanswered: AbstractSet[MessageType] = frozenset()
    """Message types that end in HTTP status 500."""
    refusal_status: int | None = None
    """The HTTP status that stands for every FAILURE, if no CertRep is sent."""
    refusal: FailInfo | None = None
    """The failInfo that stands for every other one."""
    reply_cipher: ContentEncryptionAlgorithm | None = None
    """The cipher of every reply, whatever the request had."""
    reply_digest: DigestAlgorithm | None = None
    """The hash of every reply, whatever the request had."""
    on_draft: tuple[Callable[[Draft, Stage], Draft], ...] = ()
    """Further habits of its replies."""

    def make_authority(self, *, now: datetime, key: PrivateKey | None = None) -> EphemeralCa:
        """Make a CA with the certificates that this server would have."""
        return EphemeralCa.create(
            now=now,
            key=key,
            separate_ra=self.separate_ra,
            single_ra=self.single_ra,
            intermediates=self.intermediates,
            ca_key_usage=self.ca_key_usage,
        )

    def make_responder(
        self,
        *,
        authority: EphemeralCa,
        handler: RequestHandler,
        store: Store,
        now: Callable[[], datetime],
    ) -> Responder:
        """Make a responder with the policy of this server; :class:`ProfileServer` does the rest."""
        if self.renewal_needs_challenge and isinstance(handler, ChallengeHandler):
            handler = replace(handler, renewal_needs_challenge=True)
        return Responder(
            authority=authority,
            handler=handler,
            store=store,
            now=now,
            ciphers=self.ciphers,
            digests=self.digests,
            renewal=self.renewal,
            provider=authority.provider,
        )

    def habits(self) -> tuple[OnDraft, ...]:
        """Return what it does to each of its replies."""
        found = list(self.on_draft)
        if self.refusal is not None:
            found.insert(0, _always_refuses_with(self.refusal))
        if self.reply_cipher is not None:
            found.insert(0, _always_encrypts_with(self.reply_cipher))
        if self.reply_digest is not None:
            found.insert(0, _always_hashes_with(self.reply_digest))
        return tuple(OnDraft(f"as {self.title} does", habit) for habit in found)


class ProfileServer(MisbehavingServer):
    """A server on loopback that behaves like a profile, and may misbehave besides."""

    def __init__(self, responder: Responder, profile: Profile, *, port: int = 0) -> None:
        """Bind the port; nothing is answered before :meth:`start`."""
        super().__init__(responder, path=profile.path, port=port)
        self.profile = profile
        self.misbehaviour.habits = profile.habits()
        self.handle = self._answer_as_profile

    def _answer_as_profile(self, request: HttpRequest) -> HttpResponse:
        query = urlsplit(request.url).query
        if "operation=GetCACaps" in query and self.profile.keywords is not None:
            return _text(200, _keywords(self.profile))
        if "operation=GetCACert" in query and self.profile.always_pkcs7:
            return self._as_pkcs7(self.misbehaviour.handle(request))
        if "operation=GetCA" in query or "operation=GetNextCACert" in query:
            return self.misbehaviour.handle(request)
        if request.method not in self.profile.methods:
            return _text(405, b"method not allowed\n", ("Allow", ", ".join(self.profile.methods)))
        return self._pki_operation(request)

    def _as_pkcs7(self, response: HttpResponse) -> HttpResponse:
        from pyscep.cms_signed import degenerate  # noqa: PLC0415
        from pyscep.http import ca_cert_response  # noqa: PLC0415

        if response.header("Content-Type") != "application/x-x509-ca-cert":
            return response
        return ca_cert_response(degenerate([response.body]), chain=True)

    def _pki_operation(self, request: HttpRequest) -> HttpResponse:
        response = self.misbehaviour.handle(request)
        if response.status != 200 or not response.body.startswith(b"\x30"):
            return response
        sent = self.log_of_last_message()
        if sent in self.profile.unanswered:
            return _text(500, b"unsupported message type\n")
        status = self.profile.refusal_status
        if status is not None and _is_failure(response.body):
            return _text(status, b"request refused\n")
        return response

    def log_of_last_message(self) -> MessageType | None:
        """Return the type of the request that was answered last."""
        return self.misbehaviour.last_message_type


def _is_failure(message: bytes) -> bool:
    verified = parse_pki_message(message).verify_possession()
    return verified.pki_status is PkiStatus.FAILURE


def _keywords(profile: Profile) -> bytes:
    text = profile.line_end.join(profile.keywords or ())
    return (text + (profile.line_end if profile.final_line_end else "")).encode()


def _text(status: int, body: bytes, *headers: tuple[str, str]) -> HttpResponse:
    return HttpResponse(
        status=status, headers=(("Content-Type", "text/plain"), *headers), body=body
    )


# ------------------------------------------------------------------------------------------ habits


def _always_encrypts_with(
    cipher: ContentEncryptionAlgorithm,
) -> Callable[[Draft, Stage], Draft]:
    def habit(draft: Draft, _stage: Stage) -> Draft:
        return replace(draft, content_encryption_algorithm=cipher)

    return habit


def _always_hashes_with(digest: DigestAlgorithm) -> Callable[[Draft, Stage], Draft]:
    def habit(draft: Draft, _stage: Stage) -> Draft:
        return replace(
            draft, digest_algorithm=digest, signature_digest=digest, digest_oid=digest.oid
        )

    return habit


def _always_refuses_with(fail_info: FailInfo) -> Callable[[Draft, Stage], Draft]:
    def habit(draft: Draft, _stage: Stage) -> Draft:
        changed = tuple(
            (oid, (number(fail_info.value),) if oid == asn1.FAIL_INFO else values)
            for oid, values in draft.attributes
        )
        return replace(draft, attributes=changed)

    return habit


def _ndes_failure(draft: Draft, _stage: Stage) -> Draft:
    """Fail as NDES does: SHA-1, no certificates, one zero byte, an HRESULT (V-05)."""
    if draft.status is not PkiStatus.FAILURE:
        return draft
    sha1 = DigestAlgorithm.SHA1
    hresult = (asn1.NDES_HRESULT, (der.printable_string("-2147024809"),))
    return replace(
        draft,
        digest_algorithm=sha1,
        signature_digest=sha1,
        digest_oid=sha1.oid,
        enclosed=(),
        empty_content=b"\x00",
        attributes=(*draft.attributes, hresult),
    )


def _sender_nonce_copied(draft: Draft, _stage: Stage) -> Draft:
    """Send the client's nonce as one's own (M-29)."""
    nonce = next(values for oid, values in draft.attributes if oid == asn1.RECIPIENT_NONCE)
    changed = tuple(
        (oid, nonce if oid == asn1.SENDER_NONCE else values) for oid, values in draft.attributes
    )
    return replace(draft, attributes=changed)


def _constructed_content(draft: Draft, _stage: Stage) -> Draft:
    """Write encryptedContent as a constructed [0] of definite length (E-22)."""
    return replace(draft, constructed_encrypted_content=True)


def _empty_octets(draft: Draft, _stage: Stage) -> Draft:
    return replace(draft, empty_content=b"")


# ---------------------------------------------------------------------------------------- profiles

STANDARD = Profile(
    name="standard",
    title="RFC 8894",
    sources=("RFC 8894",),
    ciphers=AES_CIPHERS,
    digests=SHA2_DIGESTS,
)
NDES = Profile(
    name="ndes",
    title="Microsoft NDES (Windows Server 2016 to 2022)",
    sources=(
        "a recorded FAILURE reply of NDES",
        "recorded GetCACert replies of NDES: a CA and two RA certificates",
        "notes in cryptlib's SCEP client on capabilities, AES and Renewal",
    ),
    path="/certsrv/mscep/mscep.dll/pkiclient.exe",
    # AES works and is not announced; Renewal means a PKCSReq signed with the old certificate.
    keywords=("POSTPKIOperation", "Renewal", "SHA-512", "SHA-256", "SHA-1", "DES3"),
    line_end="\r\n",
    separate_ra=True,
    renewal=False,
    on_draft=(_ndes_failure,),
)
CLEARPASS = Profile(
    name="clearpass",
    title="Aruba ClearPass Onboard",
    sources=("the shape of its URL, from the settings of products that enrol there",),
    # Nothing else about its replies is known here, and nothing is invented.
    path="/onboard/mdps_scep.php/1",
)
MICROMDM = Profile(
    name="micromdm",
    title="micromdm scepserver 2.1.0",
    sources=("exchanges recorded with Debian's package scep 2.1.0",),
    keywords=(
        "Renewal",
        "SHA-1",
        "SHA-256",
        "AES",
        "DES3",
        "SCEPStandard",
        "POSTPKIOperation",
    ),
    final_line_end=False,
    ca_key_usage=_CERT_SIGN_ONLY,
    renewal_needs_challenge=True,
    unanswered=_NO_QUERIES,
    refusal=FailInfo.BAD_REQUEST,
    reply_cipher=ContentEncryptionAlgorithm.DES_CBC,
    reply_digest=DigestAlgorithm.SHA1,
    on_draft=(_sender_nonce_copied, _constructed_content, _empty_octets),
)
STEP_CA = Profile(
    name="step_ca",
    title="smallstep step-ca 0.19",
    sources=("exchanges recorded with step-ca 0.19, built from Debian's library packages",),
    keywords=(
        "Renewal",
        "SHA-1",
        "SHA-256",
        "AES",
        "DES3",
        "SCEPStandard",
        "POSTPKIOperation",
    ),
    line_end="\r\n",
    final_line_end=False,
    methods=frozenset(("POST",)),
    intermediates=1,
    renewal_needs_challenge=True,
    unanswered=_NO_QUERIES,
    reply_cipher=ContentEncryptionAlgorithm.DES_CBC,
    reply_digest=DigestAlgorithm.SHA1,
    on_draft=(_sender_nonce_copied, _constructed_content),
)
EJBCA = Profile(
    name="ejbca",
    title="EJBCA",
    sources=(
        "notes in cryptlib's SCEP client: HTTP 400 instead of a CertRep, single-use end entities",
        "the older classes ScepRequestMessage and ScepResponseMessage: empty OCTET STRING",
    ),
    path="/ejbca/publicweb/apply/scep/pkiclient.exe",
    refusal_status=400,
    on_draft=(_empty_octets,),
)
OPENXPKI = Profile(
    name="openxpki",
    title="OpenXPKI",
    sources=("its documentation and source: mirrored algorithms, GetCACert always as PKCS #7",),
    path="/scep/generic",
    single_ra=True,
    always_pkcs7=True,
)
CISCO_IOS_CA = Profile(
    name="cisco_ios_ca",
    title="Cisco IOS CA",
    sources=("Cisco tech note 116167", "a recorded GetCACert reply of a Cisco RA"),
    path="/cgi-bin/pkiclient.exe",
    keywords=("DES3", "SHA-1"),
    methods=frozenset(("GET",)),
    ciphers=frozenset((_DES3,)),
    digests=frozenset((DigestAlgorithm.SHA1,)),
    renewal=False,
)
DOGTAG = Profile(
    name="dogtag",
    title="Dogtag",
    sources=("its source: GET only, one CA certificate, badMessageCheck for most errors",),
    path="/ca/cgi-bin/pkiclient.exe",
    keywords=("DES3", "SHA-1", "SHA-256", "SHA-512", "AES"),
    methods=frozenset(("GET",)),
    renewal=False,
    refusal=FailInfo.BAD_MESSAGE_CHECK,
)
AWS_PRIVATE_CA = Profile(
    name="aws_private_ca",
    title="AWS Private CA Connector for SCEP",
    sources=("its documentation: AES only; single DES is refused with an error naming its OID",),
    keywords=("AES", "POSTPKIOperation", "SHA-256", "SHA-512", "SCEPStandard"),
    methods=frozenset(("POST",)),
    ciphers=AES_CIPHERS,
    digests=SHA2_DIGESTS,
    renewal=False,
)
PROFILES = (
    STANDARD,
    NDES,
    CLEARPASS,
    MICROMDM,
    STEP_CA,
    EJBCA,
    OPENXPKI,
    CISCO_IOS_CA,
    DOGTAG,
    AWS_PRIVATE_CA,
)
"""All profiles, the standard first."""


def find_profile(name: str) -> Profile:
    """Return a profile by its name.

    :raises UsageError: there is none of that name.
    """
    for profile in PROFILES:
        if profile.name == name:
            return profile
    known = ", ".join(profile.name for profile in PROFILES)
    raise UsageError(f"There is no profile {name!r}; use one of {known}.", argument="profile")
