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

from pyscep import http, http_server
from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.cms_signed import degenerate
from pyscep.crypto import CryptoProvider
from pyscep.errors import ScepError, UsageError
from pyscep.extensions import KeyUsage
from pyscep.handlers import ChallengeHandler, RequestHandler
from pyscep.http import HttpRequest, HttpResponse, Operation
from pyscep.http_server import operation_of
from pyscep.keys import PrivateKey
from pyscep.messages import FailInfo, MessageType
from pyscep.pki_message import parse_pki_message
from pyscep.registrar import DuplicatePolicy
from pyscep.responder import AES_CIPHERS, SHA2_DIGESTS, Responder
from pyscep.store import Store
from pyscep.testing import habits
from pyscep.testing.changes import (
    copied_nonce,
    indefinite_lengths,
    setting,
    with_cipher,
    with_digest,
)
from pyscep.testing.ephemeral_ca import EphemeralCa
from pyscep.testing.misbehaviour import Habit, MisbehavingServer

_DES3 = ContentEncryptionAlgorithm.DES_EDE3_CBC
_ALL_CIPHERS = AES_CIPHERS | {_DES3}
_ALL_DIGESTS = SHA2_DIGESTS | {DigestAlgorithm.SHA1}
_QUERIES = (MessageType.CERT_POLL, MessageType.GET_CERT, MessageType.GET_CRL)
_CERT_SIGN_ONLY = (KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN)

Handle = Callable[[HttpRequest], HttpResponse]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of one server; everything left out is as the standard has it."""

    name: str
    """Short, for options: ``ndes``."""
    title: str
    """What is imitated."""
    sources: tuple[str, ...]
    """Where that is known from."""
    quirks: tuple[str, ...] = ()
    """What a client notices of it, for people."""
    path: str = "/scep"
    """The path of its URL."""
    keywords: tuple[str, ...] | None = None
    """What GetCACaps announces, if it is not what is enforced; the order is kept."""
    line_end: str = "\n"
    """What is between the lines of GetCACaps."""
    final_line_end: bool = True
    """Whether it is also after the last line."""
    methods: tuple[str, ...] = ("GET", "POST")
    """The HTTP methods for PKIOperation."""
    other_method_status: int = 405
    """The HTTP status for a PKIOperation by another method."""
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
    duplicates: DuplicatePolicy = DuplicatePolicy.REISSUE
    """What it does when a key asks a second time for what it has."""
    habits: tuple[Habit, ...] = ()
    """What it does to each of its replies, in this order."""
    change_ca_certificates: Callable[[bytes], bytes] | None = None
    """What it does to the PKCS #7 that GetCACert answers."""
    answer: Callable[[HttpRequest, Handle], HttpResponse] | None = None
    """What it does with a PKIOperation before, or instead of, the responder."""

    def make_authority(
        self,
        *,
        now: datetime,
        key: PrivateKey | None = None,
        provider: CryptoProvider | None = None,
    ) -> EphemeralCa:
        """Make a CA with the certificates that this server would have."""
        return EphemeralCa.create(
            provider=provider,
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
            duplicates=self.duplicates,
            provider=authority.provider,
        )


class ProfileServer(MisbehavingServer):
    """A server on loopback that behaves like a profile, and may misbehave besides."""

    def __init__(self, responder: Responder, profile: Profile, *, port: int = 0) -> None:
        """Bind the port; nothing is answered before :meth:`start`."""
        super().__init__(responder, path=profile.path, port=port)
        self.profile = profile
        self.misbehaviour.habits = profile.habits
        self.handle = self._answer_as_profile

    def _answer_as_profile(self, request: HttpRequest) -> HttpResponse:
        profile, right = self.profile, self.misbehaviour.handle
        match operation_of(request):
            case Operation.GET_CA_CAPS:
                return self._capabilities(request, right(request))
            case Operation.GET_CA_CERT:
                return self._ca_certificates(right(request))
            case Operation.PKI_OPERATION | None:
                if request.method not in profile.methods:
                    return self._other_method()
                return right(request) if profile.answer is None else profile.answer(request, right)
            case _:
                return right(request)

    def _capabilities(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        # A fault of the capabilities goes before what the profile announces.
        is_right = response == self.responder.handle(request)
        if self.profile.keywords is None or not is_right:
            return response
        lines = self.profile.line_end.join(self.profile.keywords)
        end = self.profile.line_end if self.profile.final_line_end else ""
        return http_server.ca_caps_response((lines + end).encode("ascii"))

    def _ca_certificates(self, response: HttpResponse) -> HttpResponse:
        body, is_one = response.body, response.header("Content-Type") == http.CA_CERT_TYPE
        if self.profile.always_pkcs7 and is_one:
            response = http_server.ca_cert_response(degenerate([body]), chain=True)
        change = self.profile.change_ca_certificates
        if change is not None and response.header("Content-Type") == http.CA_RA_CERT_TYPE:
            response = replace(response, body=change(response.body))
        return response

    def _other_method(self) -> HttpResponse:
        headers = (("Content-Type", "text/plain"), ("Allow", ", ".join(self.profile.methods)))
        status = self.profile.other_method_status
        return HttpResponse(
            status=status, headers=headers[: 2 if status == 405 else 1], body=b"wrong method\n"
        )


_AES_OIDS = frozenset(cipher.oid for cipher in AES_CIPHERS)


def _aws_answer(request: HttpRequest, right: Handle) -> HttpResponse:
    """Refuse every cipher but AES by HTTP, naming its OID."""
    try:
        sent = parse_pki_message(http_server.parse_request(request).message).verify_possession()
        oid = sent.envelope().content_encryption_oid
    except ScepError:
        return right(request)  # which says what is wrong
    if oid in _AES_OIDS:
        return right(request)
    text = f"Unsupported algorithm: {oid}"
    headers = (
        ("Content-Type", "text/plain"),
        ("x-amzn-ErrorType", "ValidationException"),
        ("x-amzn-ErrorMessage", text),
    )
    return HttpResponse(status=400, headers=headers, body=f"{text}\n".encode("ascii"))


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
        "notes in cryptlib's SCEP client on capabilities, AES, RSAES-OAEP and Renewal",
    ),
    quirks=(
        "GetCACert has a CA and two RA certificates: one signs replies, one receives requests.",
        "AES works and is not announced; replies under AES come with RSAES-OAEP.",
        "Renewal is a PKCSReq signed with the old certificate; RenewalReq is refused.",
        "A FAILURE has SHA-1, no certificates, one zero byte as content, and an HRESULT.",
        "GetCRL is refused.",
    ),
    path="/certsrv/mscep/mscep.dll/pkiclient.exe",
    # AES works and is not announced; Renewal means a PKCSReq signed with the old certificate.
    keywords=("POSTPKIOperation", "Renewal", "SHA-512", "SHA-256", "SHA-1", "DES3"),
    separate_ra=True,
    renewal=False,
    habits=(
        habits.refuses(MessageType.GET_CRL),
        habits.ndes_failure,
        habits.oaep_with_aes,
    ),
)
CLEARPASS = Profile(
    name="clearpass",
    title="Aruba ClearPass Onboard",
    sources=("the shape of its URL, from the settings of products that enrol there",),
    quirks=("Its URL is all that is imitated.",),
    # Nothing else about its replies is known here, and nothing is invented.
    path="/onboard/mdps_scep.php/1",
)
MICROMDM = Profile(
    name="micromdm",
    title="micromdm scepserver 2.1.0",
    sources=(
        "exchanges recorded with Debian's package scep 2.1.0",
        "runs of that package: every refusal is badRequest, other messages end in status 500",
    ),
    quirks=(
        "Replies are under single DES and SHA-1 (as sha1WithRSAEncryption), whatever was asked.",
        "encryptedContent is a constructed [0]; the certificate is beside the envelope as well.",
        "senderNonce is the client's nonce; a FAILURE is badRequest, with a content of no bytes.",
        "CertPoll, GetCert and GetCRL end in status 500; a renewal needs the challenge password.",
        "The CA's keyUsage is for certificates and CRLs only.",
    ),
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
    habits=(
        habits.does_not_know(*_QUERIES),
        habits.refuses_with(FailInfo.BAD_REQUEST),
        with_cipher(ContentEncryptionAlgorithm.DES_CBC),
        with_digest(DigestAlgorithm.SHA1),
        setting(constructed_encrypted_content=True, names_scheme=True, empty_content=b""),
        habits.encloses_everything,
        habits.signing_time,
        copied_nonce,
    ),
)
STEP_CA = Profile(
    name="step_ca",
    title="smallstep step-ca 0.19",
    sources=(
        "exchanges recorded with step-ca 0.19, built from Debian's library packages",
        "its configuration: encryptionAlgorithmIdentifier is 0, single DES, unless it is set",
    ),
    quirks=(
        "As micromdm, whose code it shares: single DES, SHA-1, constructed [0], the nonce copied.",
        "Capabilities are separated by CRLF; PKIOperation is for POST only.",
        "The CA is below a root; GetCACert has both.",
        "failInfoText has an OID that is one arc short.",
    ),
    keywords=(
        "AES",
        "DES3",
        "SHA-1",
        "SHA-256",
        "SHA-384",
        "SHA-512",
        "SCEPStandard",
        "POSTPKIOperation",
        "Renewal",
    ),
    line_end="\r\n",
    final_line_end=False,
    methods=("POST",),
    other_method_status=500,
    intermediates=1,
    renewal_needs_challenge=True,
    habits=(
        habits.does_not_know(*_QUERIES),
        # Recorded for a wrong challenge.
        habits.short_fail_info_text("wrong password provided"),
        with_cipher(ContentEncryptionAlgorithm.DES_CBC),
        with_digest(DigestAlgorithm.SHA1),
        setting(constructed_encrypted_content=True, names_scheme=True, empty_content=b""),
        habits.encloses_everything,
        habits.signing_time,
        copied_nonce,
    ),
)
EJBCA = Profile(
    name="ejbca",
    title="EJBCA",
    sources=(
        "notes in cryptlib's SCEP client: HTTP 400 instead of a CertRep, single-use end entities",
        "the older classes ScepRequestMessage and ScepResponseMessage: empty OCTET STRING",
    ),
    quirks=(
        "Whatever is refused ends in HTTP status 400, without a CertRep.",
        "A key that has a certificate for a subject gets no second one.",
        "PENDING has a content of no bytes.",
    ),
    path="/ejbca/publicweb/apply/scep/pkiclient.exe",
    duplicates=DuplicatePolicy.REFUSE,
    habits=(habits.fails_over_http(400), setting(empty_content=b"")),
)
OPENXPKI = Profile(
    name="openxpki",
    title="OpenXPKI",
    sources=(
        "its documentation: GetCACert is always answered in PKCS #7",
        "its source: hash, cipher and key transport of the request are mirrored",
    ),
    quirks=(
        "GetCACert is in PKCS #7 even with one certificate.",
        "Replies have the hash, the cipher and the key transport of the request.",
    ),
    path="/scep/generic",
    single_ra=True,
    always_pkcs7=True,
    habits=(habits.mirrors_key_transport,),
)
CISCO_IOS_CA = Profile(
    name="cisco_ios_ca",
    title="Cisco IOS CA",
    sources=(
        "Cisco tech note 116167: GET, 3DES and SHA-1",
        "a recorded GetCACert reply of a Cisco RA: in BER, an RA, its CA and the root",
    ),
    quirks=(
        "3DES, SHA-1 and GET, and nothing else.",
        "GetCACert is in BER with indefinite lengths: an RA, its CA, the root.",
    ),
    path="/cgi-bin/pkiclient.exe",
    keywords=("DES3", "SHA-1"),
    methods=("GET",),
    single_ra=True,
    intermediates=1,
    ciphers=frozenset((_DES3,)),
    digests=frozenset((DigestAlgorithm.SHA1,)),
    renewal=False,
    change_ca_certificates=indefinite_lengths,
)
DOGTAG = Profile(
    name="dogtag",
    title="Dogtag",
    sources=(
        "its source: GET only, one CA certificate, badMessageCheck for most errors",
        "the same: badCertId for a poll for nothing",
    ),
    quirks=(
        "PKIOperation is for GET only.",
        "Refusals are badMessageCheck, but a poll for nothing is badCertId.",
    ),
    path="/ca/cgi-bin/pkiclient.exe",
    keywords=("DES3", "SHA-1", "SHA-256", "SHA-512", "AES"),
    methods=("GET",),
    renewal=False,
    habits=(
        habits.refuses_with(FailInfo.BAD_MESSAGE_CHECK, unless=frozenset((FailInfo.BAD_CERT_ID,))),
    ),
)
AWS_PRIVATE_CA = Profile(
    name="aws_private_ca",
    title="AWS Private CA Connector for SCEP",
    sources=(
        "its user guide: HTTP 400 with the headers x-amzn-ErrorType and x-amzn-ErrorMessage",
        "its user guide: one certificate both signs and decrypts",
        "micromdm/scep pull request 253: ValidationException, Unsupported algorithm: 1.3.14.3.2.7",
    ),
    quirks=(
        "What is not under AES ends in HTTP status 400; a header names the OID of the cipher.",
        "RenewalReq is not supported.",
    ),
    ciphers=AES_CIPHERS,
    digests=SHA2_DIGESTS,
    renewal=False,
    answer=_aws_answer,
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
