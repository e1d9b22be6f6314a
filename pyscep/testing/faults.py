"""Misbehaviour on demand: every way in which a server can be wrong that a client must survive.

Each :class:`Fault` has a name, a line of explanation, and a stage at which it is applied: to the
draft of a reply, to the server's behaviour, to the HTTP response, or to the wire. Faults compose:
:class:`Misbehaviour` applies all those that are switched on, in this order.

None of them is in :mod:`pyscep.responder`, which knows only how to be right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from typing import Union

from pyscep import asn1, der
from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.capabilities import Capability, format_capabilities
from pyscep.certificates import Identity
from pyscep.errors import UsageError
from pyscep.http import HttpRequest, HttpResponse, Operation, operation_of
from pyscep.messages import CertRep, FailInfo, MessageType, PkiStatus
from pyscep.pki_message import VerifiedMessage
from pyscep.responder import Responder
from pyscep.testing.draft import Draft, draft_of, number
from pyscep.testing.ephemeral_ca import EphemeralCa
from pyscep.testing.server import ScepServer, Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a fault has at hand besides the thing that it changes."""

    responder: Responder
    """The responder, which is right."""
    stranger: EphemeralCa
    """Another CA of the same name, which nobody trusts."""
    request: VerifiedMessage
    """The request that is answered."""


@dataclass(frozen=True, slots=True)
class OnDraft:
    """A fault that changes the parts of a reply."""

    explanation: str
    apply: Callable[[Draft, Stage], Draft]


@dataclass(frozen=True, slots=True)
class OnReply:
    """A fault that changes what the server decides."""

    explanation: str
    apply: Callable[[CertRep, int], CertRep]
    """Gets the right reply and how many replies have been changed before."""


@dataclass(frozen=True, slots=True)
class OnResponse:
    """A fault that changes the HTTP response to a PKIOperation."""

    explanation: str
    apply: Callable[[HttpResponse], HttpResponse]


@dataclass(frozen=True, slots=True)
class OnCapabilities:
    """A fault that changes the HTTP response to GetCACaps."""

    explanation: str
    apply: Callable[[HttpResponse], HttpResponse]


@dataclass(frozen=True, slots=True)
class OnWire:
    """A fault of the connection; it needs a real server."""

    explanation: str
    wire: Wire


Effect = Union[OnDraft, OnReply, OnResponse, OnCapabilities, OnWire]


# ------------------------------------------------------------------------------ on the attributes


def _without(oid: str) -> Callable[[Draft, Stage], Draft]:
    return _with_values(oid)


def _with_values(oid: str, *values: bytes) -> Callable[[Draft, Stage], Draft]:
    """Replace all values of an attribute; none leave it out."""

    def apply(draft: Draft, _stage: Stage) -> Draft:
        kept = tuple(item for item in draft.attributes if item[0] != oid)
        return replace(draft, attributes=(*kept, (oid, values)))

    return apply


def _twice(oid: str) -> Callable[[Draft, Stage], Draft]:
    def apply(draft: Draft, _stage: Stage) -> Draft:
        again = tuple(item for item in draft.attributes if item[0] == oid)
        return replace(draft, attributes=(*draft.attributes, *again))

    return apply


def _two_values(oid: str) -> Callable[[Draft, Stage], Draft]:
    def apply(draft: Draft, _stage: Stage) -> Draft:
        doubled = tuple(
            (kind, values * 2 if kind == oid else values) for kind, values in draft.attributes
        )
        return replace(draft, attributes=doubled)

    return apply


def _changed(oid: str, change: Callable[[bytes], bytes]) -> Callable[[Draft, Stage], Draft]:
    """Change the contents of an attribute's value, whose type stays."""

    def apply(draft: Draft, _stage: Stage) -> Draft:
        changed = tuple(
            (kind, tuple(_recoded(value, change) for value in values) if kind == oid else values)
            for kind, values in draft.attributes
        )
        return replace(draft, attributes=changed)

    return apply


def _recoded(value: bytes, change: Callable[[bytes], bytes]) -> bytes:
    return der.encode(value[0], change(der.Reader(value).read_contents(value[0])))


def _flip_last_bit(octets: bytes) -> bytes:
    return octets[:-1] + bytes((octets[-1] ^ 1,))


# ------------------------------------------------------------------------------- on the signature


def _stranger_signs(draft: Draft, stage: Stage) -> Draft:
    identity = stage.stranger.identity
    certificate = identity.certificate
    return replace(draft, signer=identity, named_signer=certificate, enclosed=(certificate.der,))


def _look_alike_signs(draft: Draft, stage: Stage) -> Draft:
    """Sign with a key whose certificate has the issuer and serial number of the right one."""
    right = draft.signer.certificate
    key = stage.stranger.identity.key
    fake = stage.stranger.forge(right)
    return replace(
        draft, signer=Identity(certificate=fake, key=key), named_signer=right, enclosed=(fake.der,)
    )


def _over_other_bytes(draft: Draft, _stage: Stage) -> Draft:
    return replace(draft, change_signed=(_flip_last_bit,))


def _claim_md5(draft: Draft, _stage: Stage) -> Draft:
    return replace(draft, digest_oid="1.2.840.113549.2.5")


def _sha1(draft: Draft, _stage: Stage) -> Draft:
    return replace(
        draft,
        digest_algorithm=DigestAlgorithm.SHA1,
        signature_digest=DigestAlgorithm.SHA1,
        digest_oid=DigestAlgorithm.SHA1.oid,
    )


def _two_hashes(draft: Draft, _stage: Stage) -> Draft:
    return replace(draft, signature_digest=DigestAlgorithm.SHA512)


def _wrong_protection(draft: Draft, _stage: Stage) -> Draft:
    value = der.sequence(
        der.sequence(der.oid(DigestAlgorithm.SHA512.oid)),
        der.encode(der.context(1), der.oid("1.2.840.113549.1.1.13")),
    )
    added = (asn1.CMS_ALGORITHM_PROTECTION, (value,))
    return replace(draft, attributes=(*draft.attributes, added))


# ---------------------------------------------------------------------------- on the certificates


def _somebody_elses(draft: Draft, stage: Stage) -> Draft:
    """Return a certificate of the right CA for the key of the CA itself."""
    authority = stage.responder.authority
    if not isinstance(authority, EphemeralCa):
        raise UsageError("This fault needs an EphemeralCa.", argument="authority")
    other = authority.issue_certificate(
        subject=stage.request.signer.subject,
        public_key=authority.issuer.public_key,
        not_before=stage.responder.now(),
        lifetime=timedelta(days=1),
    )
    return replace(draft, certificates=(other.der,))


def _of_another_ca(draft: Draft, stage: Stage) -> Draft:
    fakes = tuple(
        stage.stranger.issue_certificate(
            subject=stage.request.signer.subject,
            public_key=stage.request.signer.public_key,
            not_before=stage.responder.now(),
            lifetime=timedelta(days=1),
        ).der
        for _ in draft.certificates[:1]
    )
    return replace(draft, certificates=fakes)


def _ca_instead(draft: Draft, stage: Stage) -> Draft:
    return replace(draft, certificates=(stage.responder.authority.issuer.der,))


def _ca_first(draft: Draft, stage: Stage) -> Draft:
    chain = tuple(certificate.der for certificate in stage.responder.authority.published)
    return replace(draft, certificates=(*chain, *draft.certificates))


# -------------------------------------------------------------------------------- on the envelope


def _to_stranger(draft: Draft, stage: Stage) -> Draft:
    other = stage.stranger.issuer
    return replace(draft, recipient=other, named_recipient=other)


def _key_of_stranger(draft: Draft, stage: Stage) -> Draft:
    return replace(draft, recipient=stage.stranger.issuer)


def _content_in_failure(draft: Draft, stage: Stage) -> Draft:
    if draft.status is PkiStatus.SUCCESS:
        return draft
    return replace(draft, has_envelope=True, certificates=(stage.responder.authority.issuer.der,))


def _with_cipher(cipher: ContentEncryptionAlgorithm) -> Callable[[Draft, Stage], Draft]:
    def apply(draft: Draft, _stage: Stage) -> Draft:
        return replace(draft, content_encryption_algorithm=cipher)

    return apply


def _garbage(plain: bytes) -> bytes:
    return bytes(octet ^ 0x55 for octet in plain)


def _bad_padding(padded: bytes) -> bytes:
    return padded[:-1] + b"\x00"


# -------------------------------------------------------------------------------- on the encoding


def _message(change: Callable[[bytes], bytes]) -> Callable[[Draft, Stage], Draft]:
    def apply(draft: Draft, _stage: Stage) -> Draft:
        return replace(draft, change_message=(*draft.change_message, change))

    return apply


def _indefinite_lengths(message: bytes) -> bytes:
    """Rewrite the outermost structures with indefinite lengths, as streaming encoders do."""
    reader = der.Reader(message).enter()
    content_type = reader.read_raw()
    signed_data = reader.enter(der.context(0)).read_contents(der.SEQUENCE)
    end = b"\x00\x00"
    return b"\x30\x80" + content_type + b"\xa0\x80\x30\x80" + signed_data + end + end + end


def _deep(_message: bytes) -> bytes:
    return b"\x30\x80" * 100_000


def _huge(_message: bytes) -> bytes:
    return der.octet_string(b"\x00" * (5 * 1024 * 1024))


# ------------------------------------------------------------------------------- on the behaviour


def _pending(times: int | None) -> Callable[[CertRep, int], CertRep]:
    def apply(reply: CertRep, before: int) -> CertRep:
        if times is not None and before >= times:
            return reply
        return CertRep(pki_status=PkiStatus.PENDING)

    return apply


def _refused(reply: CertRep, _before: int) -> CertRep:
    del reply
    return CertRep(pki_status=PkiStatus.FAILURE, fail_info=FailInfo.BAD_REQUEST)


def _nothing_in_it(reply: CertRep, _before: int) -> CertRep:
    return replace(reply, certificates=(), crl=None)


# ------------------------------------------------------------------------------- on the responses

_PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Welcome!</body></html>\n"


def _html(response: HttpResponse) -> HttpResponse:
    return replace(response, headers=(("Content-Type", "text/html; charset=utf-8"),), body=_PAGE)


def _other_type(response: HttpResponse) -> HttpResponse:
    return replace(response, headers=(("Content-Type", "application/octet-stream"),))


def _redirect(response: HttpResponse) -> HttpResponse:
    del response
    headers = (("Location", "http://127.0.0.1:9/elsewhere"),)
    return HttpResponse(status=302, headers=headers)


def _server_error(response: HttpResponse) -> HttpResponse:
    del response
    headers = (("Content-Type", "text/plain"),)
    return HttpResponse(status=500, headers=headers, body=b"something broke\n")


def _empty(response: HttpResponse) -> HttpResponse:
    return replace(response, body=b"")


def _stripped(response: HttpResponse) -> HttpResponse:
    # What somebody in the middle makes of it who wants 3DES and SHA-1.
    body = format_capabilities((Capability.DES3, Capability.SHA1))
    return replace(response, body=body)


def _lying(response: HttpResponse) -> HttpResponse:
    return replace(response, body=format_capabilities(Capability))


class Fault(Enum):
    """One way to be wrong.

    Source: T-24, T-25, T-26, M-04, M-07 to M-15, M-27, M-34, A-02, A-09, E-12, E-16, R-13.
    """

    # Attributes
    MISSING_TRANSACTION_ID = OnDraft("no transactionID", _without(asn1.TRANSACTION_ID))
    MISSING_MESSAGE_TYPE = OnDraft("no messageType", _without(asn1.MESSAGE_TYPE))
    MISSING_PKI_STATUS = OnDraft("no pkiStatus", _without(asn1.PKI_STATUS))
    MISSING_RECIPIENT_NONCE = OnDraft("no recipientNonce", _without(asn1.RECIPIENT_NONCE))
    MISSING_SENDER_NONCE = OnDraft("no senderNonce", _without(asn1.SENDER_NONCE))
    MISSING_MESSAGE_DIGEST = OnDraft("no messageDigest", _without(asn1.MESSAGE_DIGEST))
    MISSING_CONTENT_TYPE = OnDraft("no contentType", _without(asn1.CONTENT_TYPE))
    MISSING_FAIL_INFO = OnDraft("a FAILURE without failInfo", _without(asn1.FAIL_INFO))
    DUPLICATE_TRANSACTION_ID = OnDraft("two transactionIDs", _twice(asn1.TRANSACTION_ID))
    DUPLICATE_MESSAGE_TYPE = OnDraft("two messageTypes", _twice(asn1.MESSAGE_TYPE))
    DUPLICATE_PKI_STATUS = OnDraft("two pkiStatuses", _twice(asn1.PKI_STATUS))
    DUPLICATE_RECIPIENT_NONCE = OnDraft("two recipientNonces", _twice(asn1.RECIPIENT_NONCE))
    TWO_VALUES_IN_PKI_STATUS = OnDraft(
        "one pkiStatus with two values", _two_values(asn1.PKI_STATUS)
    )
    WRONG_TRANSACTION_ID = OnDraft(
        "the transactionID of another transaction",
        _with_values(asn1.TRANSACTION_ID, der.printable_string("another-transaction")),
    )
    TRANSACTION_ID_PREFIX = OnDraft(
        "only the beginning of the transactionID",
        _changed(asn1.TRANSACTION_ID, lambda octets: octets[:4]),
    )
    EMPTY_TRANSACTION_ID = OnDraft(
        "an empty transactionID", _changed(asn1.TRANSACTION_ID, lambda _octets: b"")
    )
    WRONG_RECIPIENT_NONCE = OnDraft(
        "a recipientNonce with one bit flipped", _changed(asn1.RECIPIENT_NONCE, _flip_last_bit)
    )
    TRUNCATED_RECIPIENT_NONCE = OnDraft(
        "only half of the recipientNonce",
        _changed(asn1.RECIPIENT_NONCE, lambda octets: octets[:8]),
    )
    WRONG_MESSAGE_TYPE = OnDraft("a PKCSReq as reply", _with_values(asn1.MESSAGE_TYPE, number(19)))
    UNKNOWN_MESSAGE_TYPE = OnDraft(
        "a messageType that does not exist", _with_values(asn1.MESSAGE_TYPE, number(18))
    )
    MESSAGE_TYPE_AS_INTEGER = OnDraft(
        "the messageType as INTEGER", _with_values(asn1.MESSAGE_TYPE, der.integer(3))
    )
    PADDED_MESSAGE_TYPE = OnDraft(
        "the messageType as 03", _with_values(asn1.MESSAGE_TYPE, der.printable_string("03"))
    )
    UNKNOWN_PKI_STATUS = OnDraft(
        "a pkiStatus that does not exist", _with_values(asn1.PKI_STATUS, number(1))
    )
    UNKNOWN_FAIL_INFO = OnDraft(
        "a failInfo that RFC 8894 does not have", _with_values(asn1.FAIL_INFO, number(7))
    )
    WRONG_CONTENT_TYPE_ATTRIBUTE = OnDraft(
        "a contentType that is not that of the content",
        _with_values(asn1.CONTENT_TYPE, der.oid(asn1.SIGNED_DATA)),
    )
    WRONG_MESSAGE_DIGEST = OnDraft(
        "the digest of another content",
        _with_values(asn1.MESSAGE_DIGEST, der.octet_string(b"\x00" * 32)),
    )
    WRONG_ALGORITHM_PROTECTION = OnDraft(
        "a cmsAlgorithmProtection for other algorithms", _wrong_protection
    )

    # Signature
    SIGNED_BY_STRANGER = OnDraft("signed by another CA of the same name", _stranger_signs)
    SIGNED_BY_LOOK_ALIKE = OnDraft(
        "signed by a certificate with the CA's issuer and serial number", _look_alike_signs
    )
    SIGNED_OVER_OTHER_BYTES = OnDraft("a signature over other attributes", _over_other_bytes)
    NO_SIGNED_ATTRIBUTES = OnDraft(
        "signed attributes stripped, the content signed directly",
        lambda draft, _stage: replace(draft, signed_attributes=False),
    )
    NO_SIGNER = OnDraft("no signer", lambda draft, _stage: replace(draft, signer_count=0))
    TWO_SIGNERS = OnDraft("two signers", lambda draft, _stage: replace(draft, signer_count=2))
    MD5 = OnDraft("a signature that claims MD5", _claim_md5)
    SHA1 = OnDraft("a signature with SHA-1", _sha1)
    TWO_HASHES = OnDraft("digest and signature with different hashes", _two_hashes)

    # Certificates
    CERTIFICATE_FOR_ANOTHER_KEY = OnDraft("a certificate for another key", _somebody_elses)
    CERTIFICATE_OF_ANOTHER_CA = OnDraft(
        "a certificate by another CA of the same name", _of_another_ca
    )
    CA_INSTEAD_OF_LEAF = OnDraft("the CA's certificate instead of the issued one", _ca_instead)
    CHAIN_BEFORE_LEAF = OnDraft("the CA's chain before the issued certificate", _ca_first)
    NO_CERTIFICATE = OnReply("a SUCCESS with nothing in it", _nothing_in_it)
    NO_ENCLOSED_CERTIFICATES = OnDraft(
        "no certificate of the signer", lambda draft, _stage: replace(draft, enclosed=())
    )

    # Envelope
    ENCRYPTED_TO_STRANGER = OnDraft("an envelope for somebody else", _to_stranger)
    ENCRYPTED_WITH_WRONG_KEY = OnDraft(
        "an envelope that names the right one and is encrypted with another key",
        _key_of_stranger,
    )
    SHORT_CONTENT_KEY = OnDraft(
        "a content key of the wrong length",
        lambda draft, _stage: replace(draft, change_key=(lambda key: key[:-1],)),
    )
    GARBLED_CONTENT_KEY = OnDraft(
        "a content key that does not decrypt",
        lambda draft, _stage: replace(draft, change_encrypted_key=(_flip_last_bit,)),
    )
    BAD_PADDING = OnDraft(
        "content with wrong padding",
        lambda draft, _stage: replace(draft, change_padded=(_bad_padding,)),
    )
    GARBAGE_CONTENT = OnDraft(
        "content that decrypts to garbage",
        lambda draft, _stage: replace(draft, change_plain=(_garbage,)),
    )
    SINGLE_DES = OnDraft(
        "content under single DES", _with_cipher(ContentEncryptionAlgorithm.DES_CBC)
    )
    TRIPLE_DES = OnDraft(
        "content under 3DES", _with_cipher(ContentEncryptionAlgorithm.DES_EDE3_CBC)
    )
    NO_ENVELOPE_IN_SUCCESS = OnDraft(
        "a SUCCESS without envelope", lambda draft, _stage: replace(draft, has_envelope=False)
    )
    ENVELOPE_IN_FAILURE = OnDraft("a FAILURE or PENDING with an envelope", _content_in_failure)

    # Encoding
    INDEFINITE_LENGTHS = OnDraft("BER with indefinite lengths", _message(_indefinite_lengths))
    TRAILING_BYTES = OnDraft("a byte after the message", _message(lambda m: m + b"\x00"))
    TRUNCATED_MESSAGE = OnDraft("half of the message", _message(lambda m: m[: len(m) // 2]))
    HUGE_MESSAGE = OnDraft("five megabytes of nothing", _message(_huge))
    DEEP_MESSAGE = OnDraft("100,000 levels of nesting", _message(_deep))

    # Behaviour
    PENDING_TWICE = OnReply("PENDING for two messages, then the answer", _pending(2))
    PENDING_FOREVER = OnReply("PENDING whatever happens", _pending(None))
    REFUSED = OnReply("FAILURE whatever is asked", _refused)

    # HTTP
    HTML_PAGE = OnResponse("a web page with status 200", _html)
    WRONG_HTTP_TYPE = OnResponse("another Content-Type", _other_type)
    REDIRECT = OnResponse("a redirect to another host", _redirect)
    SERVER_ERROR = OnResponse("status 500 with a text", _server_error)
    EMPTY_BODY = OnResponse("status 200 with nothing", _empty)
    CAPABILITIES_STRIPPED = OnCapabilities("only DES3 and SHA-1 announced", _stripped)
    CAPABILITIES_LYING = OnCapabilities("everything announced", _lying)
    CAPABILITIES_PAGE = OnCapabilities("a web page instead of capabilities", _html)
    CAPABILITIES_ERROR = OnCapabilities("status 500 for GetCACaps", _server_error)

    # Wire
    CHUNKED_BODY = OnWire("a chunked body", Wire.CHUNKED)
    SLOW_BODY = OnWire("a body that drips byte by byte", Wire.SLOW)
    CLOSED_CONNECTION = OnWire("the connection closed instead of an answer", Wire.CLOSED)
    CUT_BODY = OnWire("the connection closed in the middle of the body", Wire.CUT)

    @property
    def explanation(self) -> str:
        """What the server does, in a few words."""
        effect: Effect = self.value
        return effect.explanation


def find_fault(name: str) -> Fault:
    """Return a fault by its name, in any case.

    :raises UsageError: there is none of that name.
    """
    wanted = name.upper().replace("-", "_")
    if wanted in Fault.__members__:
        return Fault[wanted]
    known = ", ".join(Fault.__members__)
    raise UsageError(f"There is no fault {name!r}; use one of {known}.", argument="fault")


@dataclass(slots=True, kw_only=True, eq=False)
class Misbehaviour:
    """A responder with faults: :meth:`handle` answers as wrongly as it is told to.

    Source: T-24, T-25.
    """

    responder: Responder
    """The right one."""
    faults: tuple[Fault, ...] = ()
    """What is switched on."""
    stranger: EphemeralCa | None = field(default=None, repr=False)
    """A CA of the same name, made when it is first needed."""
    habits: tuple[OnDraft, ...] = ()
    """What is done to every reply before any fault; see :mod:`pyscep.testing.profiles`."""
    changed: int = 0
    """How many replies a fault of behaviour was applied to."""
    last_message_type: MessageType | None = None
    """The type of the request that was answered last."""

    def misbehave(self, *faults: Fault) -> None:
        """Switch these faults on, and all others off."""
        self.faults = faults
        self.changed = 0

    def wire_of(self, request: HttpRequest) -> Wire | None:
        """Return the fault of the connection for the answer to a PKIOperation, if one is on."""
        if operation_of(request) not in (None, Operation.PKI_OPERATION):
            return None
        return next((e.wire for e in self._effects() if isinstance(e, OnWire)), None)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one HTTP request, with everything that is switched on."""
        faulty = replace(self.responder, encoder=self._encode)
        response = faulty.handle(request)
        operation = operation_of(request)
        kind = OnCapabilities if operation is Operation.GET_CA_CAPS else OnResponse
        if operation not in (None, Operation.GET_CA_CAPS, Operation.PKI_OPERATION):
            return response
        for effect in self._effects():
            if isinstance(effect, kind):
                response = effect.apply(response)
        return response

    def _effects(self) -> Iterable[Effect]:
        return (fault.value for fault in self.faults)

    def _encode(
        self,
        responder: Responder,
        request: VerifiedMessage,
        reply: CertRep,
        cipher: ContentEncryptionAlgorithm,
    ) -> bytes:
        for effect in self._effects():
            if isinstance(effect, OnReply):
                reply = effect.apply(reply, self.changed)
                self.changed += 1
        self.last_message_type = request.message_type
        draft = draft_of(responder, request, reply, cipher)
        stage = Stage(responder=responder, stranger=self._stranger(), request=request)
        for effect in (*self.habits, *self._effects()):
            if isinstance(effect, OnDraft):
                draft = effect.apply(draft, stage)
        return draft.encode()

    def _stranger(self) -> EphemeralCa:
        if self.stranger is None:
            self.stranger = EphemeralCa.create(
                subject=self.responder.authority.issuer.subject,
                now=self.responder.now() - timedelta(days=1),
                provider=self.responder.provider,
            )
        return self.stranger


class MisbehavingServer(ScepServer):
    """A :class:`~pyscep.testing.server.ScepServer` that is right until told otherwise.

    ::

        with MisbehavingServer(responder) as server:
            server.misbehave(Fault.WRONG_RECIPIENT_NONCE)

    Source: T-24, T-25.
    """

    def __init__(self, responder: Responder, *, path: str = "/scep", port: int = 0) -> None:
        """Bind the port; nothing is answered before :meth:`start`."""
        self.misbehaviour = Misbehaviour(responder=responder)
        super().__init__(
            self.misbehaviour.handle,
            path=path,
            port=port,
            limits=responder.limits,
            wire=self.misbehaviour.wire_of,
        )

    @property
    def responder(self) -> Responder:
        """The right responder."""
        return self.misbehaviour.responder

    def misbehave(self, *faults: Fault) -> None:
        """Switch these faults on, and all others off."""
        self.misbehaviour.misbehave(*faults)

    def reset(self) -> None:
        """Be right again, and forget the log and the errors."""
        super().reset()
        self.misbehave()
