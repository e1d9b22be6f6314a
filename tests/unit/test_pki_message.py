"""The pkiMessage: what is written, what is read, and what is refused and how."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, replace
from operator import attrgetter

import pytest

from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
    SignatureAlgorithm,
)
from pyscep.certificates import Certificate, Identity, key_identifier_of
from pyscep.cms_enveloped import STANDARD_CIPHERS
from pyscep.crypto import CryptoProvider
from pyscep.errors import (
    DecodeError,
    DecryptionFailed,
    DuplicateAttribute,
    KeyCapabilityError,
    LimitExceeded,
    MessageError,
    MissingAttribute,
    ProtocolError,
    ScepError,
    SignatureInvalid,
    UnexpectedMessageType,
    UnsupportedError,
    UsageError,
    WeakAlgorithm,
)
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.limits import Limits
from pyscep.messages import (
    CertPoll,
    CertRep,
    FailInfo,
    GetCert,
    GetCRL,
    MessageType,
    PKCSReq,
    PkiStatus,
    RenewalReq,
    Request,
)
from pyscep.pkcs10 import build_csr
from pyscep.pki_message import (
    NONCE_SIZE,
    UnverifiedMessage,
    VerifiedMessage,
    encode_cert_rep,
    encode_request,
    encode_transaction_id,
    parse_pki_message,
)
from tests.helpers import keys
from tests.helpers.message_factory import (
    DIGESTS,
    ECDSA_SIGNATURES,
    NONCE,
    REQUEST_NONCE,
    RSA_SIGNATURES,
    TRANSACTION_ID,
    Envelope,
    SignedMessage,
    algorithm_protection,
    attributes_of,
    cert_rep,
    common_name,
    degenerate,
    key_identifier,
    pss_identifier,
    request,
    success,
    to_ber,
)
from tests.helpers.tlv import (
    DATA,
    ENVELOPED_DATA,
    RSA_ENCRYPTION,
    SIGNED_DATA,
    Node,
    algorithm,
    content_info,
    explicit,
    integer,
    issuer_and_serial,
    null,
    octets,
    oid,
    parse,
    printable,
    seq,
    tlv,
    unsorted_set,
    utf8,
)

AES128 = ContentEncryptionAlgorithm.AES128_CBC
DES = ContentEncryptionAlgorithm.DES_CBC
DES3 = ContentEncryptionAlgorithm.DES_EDE3_CBC
SHA256 = DigestAlgorithm.SHA256
SECRET = "marked-challenge-4711"

ALL_RSA_DIGESTS = ["sha1", "sha224", "sha256", "sha384", "sha512"]
TELETEX, IA5, BMP = 0x14, 0x16, 0x1E


def enrolment() -> PKCSReq:
    return PKCSReq(
        csr=build_csr(subject="CN=sensor-17", key=keys.rsa(1), challenge_password=SECRET)
    )


def encoded_request(
    *,
    message: Request | None = None,
    transaction_id: str = TRANSACTION_ID,
    identity: Identity | None = None,
    recipient: Certificate | None = None,
    cipher: ContentEncryptionAlgorithm = AES128,
    digest: DigestAlgorithm = SHA256,
    certificates: tuple[Certificate, ...] = (),
    provider: CryptoProvider | None = None,
) -> bytes:
    return encode_request(
        message or enrolment(),
        transaction_id=transaction_id,
        sender_nonce=REQUEST_NONCE,
        identity=identity or keys.client(),
        recipient=recipient or keys.ca().certificate,
        content_encryption_algorithm=cipher,
        digest_algorithm=digest,
        certificates=certificates,
        provider=provider,
    )


def verified_request(message: SignedMessage | None = None) -> VerifiedMessage:
    return parse_pki_message((message or request()).encode()).verify_possession()


def verified_reply(message: SignedMessage, *, limits: Limits | None = None) -> VerifiedMessage:
    unverified = parse_pki_message(message.encode(), limits=limits or Limits())
    return unverified.verify([keys.ca().certificate])


def encoded_reply(
    message: CertRep, *, to: VerifiedMessage | None = None, empty_content: bytes | None = None
) -> bytes:
    return encode_cert_rep(
        message,
        request=to or verified_request(),
        sender_nonce=NONCE,
        identity=keys.ca(),
        content_encryption_algorithm=AES128,
        digest_algorithm=SHA256,
        empty_content=empty_content,
    )


@dataclass(frozen=True)
class Parts:
    """An encoded message taken apart, without any code of the library."""

    octets: bytes

    @property
    def signed_data(self) -> Node:
        return parse(self.octets).at(1, 0)

    @property
    def signer_info(self) -> Node:
        (signer_info,) = self.signed_data.children[-1].children
        return signer_info

    @property
    def envelope(self) -> Node:
        return parse(self.signed_data.at(2, 1, 0).contents).at(1, 0)


# -------------------------------------------------------------------------- writing: requests


@pytest.mark.conforms("M-12", "M-14", "M-15", "M-30")
def test_request_has_these_signed_attributes() -> None:
    attributes = attributes_of(encoded_request())

    assert set(attributes) == {
        "contentType",
        "messageDigest",
        "transactionID",
        "messageType",
        "senderNonce",
    }
    assert attributes["contentType"] == oid(DATA)
    assert attributes["transactionID"] == printable(TRANSACTION_ID)
    assert attributes["messageType"] == printable("19")
    assert attributes["senderNonce"] == octets(REQUEST_NONCE)


@pytest.mark.conforms("M-14")
def test_message_type_is_written_like_the_vector() -> None:
    vector = bytes.fromhex("3012060a6086480186f845010902310413023139")

    assert vector in encoded_request()


@pytest.mark.conforms("M-01", "M-06", "M-10", "M-31")
def test_request_has_this_structure() -> None:
    extra = keys.ca().certificate
    client = keys.client().certificate
    parts = Parts(encoded_request(certificates=(extra,)))
    version, digests, content, certificates, _ = parts.signed_data.children

    assert parse(parts.octets).at(0).dump() == oid(SIGNED_DATA)
    assert version.dump() == integer(1)
    assert digests.dump() == unsorted_set(algorithm(DIGESTS["sha256"]))
    assert content.at(0).dump() == oid(DATA)
    assert [each.dump() for each in certificates.children] == [client.der, extra.der]
    assert parts.signer_info.at(0).dump() == integer(1)
    assert parts.signer_info.at(1).dump() == issuer_and_serial(client.der)
    assert parts.signer_info.at(2).dump() == algorithm(DIGESTS["sha256"])
    assert parts.signer_info.at(4).dump() == algorithm(RSA_ENCRYPTION, null())
    attributes = [each.dump() for each in parts.signer_info.at(3).children]
    assert attributes == sorted(attributes)


@pytest.mark.conforms("M-02", "E-03", "H-15")
def test_content_of_a_request_is_an_envelope_for_the_recipient() -> None:
    octets_sent = encoded_request()
    recipients = Parts(octets_sent).envelope.at(1).children

    assert [each.at(1).dump() for each in recipients] == [
        issuer_and_serial(keys.ca().certificate.der)
    ]
    assert SECRET.encode() not in octets_sent
    plain = parse_pki_message(octets_sent).verify_possession().decrypt([keys.ca()])
    assert SECRET.encode() in plain.octets
    assert plain.content_encryption_algorithm is AES128


@pytest.mark.conforms("E-15")
def test_two_requests_share_neither_key_nor_iv() -> None:
    first, second = (Parts(encoded_request()).envelope for _ in range(2))

    for path in ((1, 0, 3), (2, 1, 1)):
        assert first.at(*path) != second.at(*path)


@pytest.mark.parametrize("digest", list(DigestAlgorithm))
@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_request_is_verified_with_every_digest(digest: DigestAlgorithm, kind: str) -> None:
    identity = keys.client() if kind == "rsa" else keys.ec_client()

    verified = parse_pki_message(
        encoded_request(identity=identity, digest=digest)
    ).verify_possession()

    assert verified.digest_algorithm is digest
    assert verified.signature_algorithm.digest is digest
    assert verified.signer == identity.certificate


def test_renewal_has_its_own_message_type() -> None:
    renewal = RenewalReq(csr=enrolment().csr)

    assert attributes_of(encoded_request(message=renewal))["messageType"] == printable("17")


@pytest.mark.conforms("M-16")
@pytest.mark.parametrize("transaction_id", ["", "a_b", "a@b", "a*b", "a&b", "a;b", "\xe4", "a\n"])
def test_transaction_id_has_to_be_printable(transaction_id: str) -> None:
    with pytest.raises(UsageError) as caught:
        encoded_request(transaction_id=transaction_id)

    assert caught.value.argument == "transaction_id"
    assert repr(transaction_id) in str(caught.value)


def test_transaction_id_is_a_printable_string() -> None:
    assert encode_transaction_id("A-1 (b)") == printable("A-1 (b)")


WITHOUT_CHALLENGE = build_csr(subject="CN=sensor-17", key=keys.rsa(1))


@pytest.mark.conforms("E-04", "E-05")
@pytest.mark.parametrize("kind", [PKCSReq, RenewalReq])
def test_a_key_that_cannot_decrypt_gets_it_under_the_challenge(
    kind: type[PKCSReq | RenewalReq],
) -> None:
    octets = encoded_request(
        message=kind(csr=enrolment().csr), recipient=keys.ec_client().certificate
    )
    verified = parse_pki_message(octets).verify_possession()

    found = verified.decrypt([keys.ec_client()], ["another", SECRET])

    assert found.octets == enrolment().csr.der
    assert found.recipient is None
    with pytest.raises(DecryptionFailed):
        verified.decrypt([keys.ec_client()], ["another"])
    with pytest.raises(UnsupportedError, match="PASSWORD"):
        verified.decrypt([keys.ec_client()])


@pytest.mark.conforms("E-06", "E-26")
def test_without_a_challenge_nothing_is_written_to_such_a_key() -> None:
    messages = (
        PKCSReq(csr=WITHOUT_CHALLENGE),
        RenewalReq(csr=WITHOUT_CHALLENGE),
        CertPoll(issuer=WITHOUT_CHALLENGE.subject, subject=WITHOUT_CHALLENGE.subject),
        GetCert(identifier=IssuerAndSerialNumber.of(keys.client().certificate)),
        GetCRL(identifier=IssuerAndSerialNumber.of(keys.client().certificate)),
    )
    for message in messages:
        with pytest.raises(KeyCapabilityError, match=r"CN=sensor-18.* cannot decrypt") as caught:
            encoded_request(message=message, recipient=keys.ec_client().certificate)
        assert caught.value.argument == "challenge_password"


@pytest.mark.conforms("E-04", "E-26", "E-29")
def test_replies_to_a_key_that_cannot_decrypt() -> None:
    asked = verified_request(request(signer=keys.ec_client()))
    certificates = (keys.ec_client().certificate.der,)
    for challenge, error in ((None, "no challenge password"), ("short", "instead of 5")):
        reply = CertRep(
            pki_status=PkiStatus.SUCCESS, certificates=certificates, challenge_password=challenge
        )
        with pytest.raises(KeyCapabilityError, match=error):
            encoded_reply(reply, to=asked)
    reply = replace(reply, challenge_password=SECRET)
    assert SECRET not in repr(reply)
    octets = encoded_reply(reply, to=asked)
    verified = parse_pki_message(octets).verify([keys.ca().certificate])
    assert verified.decrypt((), [SECRET]).octets == reply.encode()
    # What has no content needs no password.
    encoded_reply(CertRep(pki_status=PkiStatus.PENDING), to=asked)


@pytest.mark.conforms("E-12")
def test_single_des_is_not_sent() -> None:
    with pytest.raises(WeakAlgorithm) as caught:
        encoded_request(cipher=DES)

    assert caught.value.algorithm == "DES_CBC"
    assert caught.value.argument is None


class OnlySha512:
    """A key that declares less than it could do."""

    def __init__(self) -> None:
        self.public_key = keys.rsa(1).public_key
        self.signature_algorithms = frozenset((SignatureAlgorithm.RSA_SHA512,))
        self.key_encryption_algorithms: AbstractSet[KeyEncryptionAlgorithm] = frozenset()

    def sign(self, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        return keys.rsa(1).sign(data, algorithm)

    def decrypt(self, ciphertext: bytes, algorithm: KeyEncryptionAlgorithm) -> bytes:
        raise DecryptionFailed


def test_key_is_asked_only_for_what_it_declares() -> None:
    identity = Identity(certificate=keys.client().certificate, key=OnlySha512())

    assert encoded_request(identity=identity, digest=DigestAlgorithm.SHA512)
    with pytest.raises(KeyCapabilityError) as caught:
        encoded_request(identity=identity)
    assert caught.value.argument == "key"


class CountingProvider:
    """Hands everything on to the default provider and remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> object:
        self.asked.append(name)
        return getattr(keys.provider(), name)


def test_provider_is_an_argument() -> None:
    ours: CryptoProvider = CountingProvider()  # type: ignore[assignment]

    message = parse_pki_message(encoded_request(provider=ours))
    assert ours.asked == [  # type: ignore[attr-defined]
        "random_bytes",
        "random_bytes",
        "encrypt_key",
        "encrypt_content",
        "digest",
    ]
    verified = message.verify_possession(provider=ours)
    message.verify([keys.client().certificate], provider=ours)
    verified.decrypt([keys.ca()], provider=ours)
    assert ours.asked[5:] == [  # type: ignore[attr-defined]
        "digest",
        "verify",
        "digest",
        "verify",
        "random_bytes",
        "decrypt_content",
    ]


# --------------------------------------------------------------------------- writing: replies

SUCCESS = PkiStatus.SUCCESS
FAILURE = PkiStatus.FAILURE
PENDING = PkiStatus.PENDING

ALWAYS = {
    "contentType",
    "messageDigest",
    "transactionID",
    "messageType",
    "pkiStatus",
    "senderNonce",
    "recipientNonce",
}


@pytest.mark.conforms("M-13", "M-14", "A-05")
@pytest.mark.parametrize(
    ("message", "more"),
    [
        (CertRep(pki_status=SUCCESS), {"pkiStatus": printable("0")}),
        (CertRep(pki_status=PENDING), {"pkiStatus": printable("3")}),
        (
            CertRep(pki_status=FAILURE, fail_info=FailInfo.BAD_REQUEST),
            {"pkiStatus": printable("2"), "failInfo": printable("2")},
        ),
        (
            CertRep(pki_status=FAILURE, fail_info=FailInfo.BAD_ALG, fail_info_text="n\xf6"),
            {"failInfo": printable("0"), "failInfoText": utf8("n\xf6")},
        ),
    ],
)
def test_reply_has_these_signed_attributes(message: CertRep, more: dict[str, bytes]) -> None:
    attributes = attributes_of(encoded_reply(message))

    assert set(attributes) == ALWAYS | set(more)
    expected = {
        "messageType": printable("3"),
        "senderNonce": octets(NONCE),
        "recipientNonce": octets(REQUEST_NONCE),
        **more,
    }
    assert {name: attributes[name] for name in expected} == expected


@pytest.mark.conforms("M-03", "A-05", "A-06")
@pytest.mark.parametrize("status", [FAILURE, PENDING])
def test_reply_without_content_has_no_econtent(status: PkiStatus) -> None:
    reply = encoded_reply(CertRep(pki_status=status))

    assert Parts(reply).signed_data.at(2).dump() == seq(oid(DATA))


def test_reply_can_have_an_empty_econtent_instead() -> None:
    """Some clients crash without."""
    reply = encoded_reply(CertRep(pki_status=PENDING), empty_content=b"")

    assert Parts(reply).signed_data.at(2).dump() == seq(oid(DATA), explicit(0, octets(b"")))
    verified = parse_pki_message(reply).verify([keys.ca().certificate])
    assert not verified.has_envelope


@pytest.mark.conforms("A-01", "A-03")
def test_success_is_read_back() -> None:
    issued = keys.client().certificate.der
    reply = encoded_reply(CertRep(pki_status=SUCCESS, certificates=(issued,)))

    verified = parse_pki_message(reply).verify([keys.ca().certificate])

    assert verified.pki_status is SUCCESS
    assert verified.decrypt([keys.client()]).octets == degenerate([issued])
    assert verified.enclosed_certificates == (keys.ca().certificate.der,)


@pytest.mark.conforms("E-20", "S-15")
def test_success_is_encrypted_to_the_signer_only() -> None:
    """Certificates that merely come along in the request get nothing."""
    others = (keys.stranger().certificate.der, keys.client().certificate.der)
    to = verified_request(replace(request(), certificates=others))

    (recipient,) = Parts(encoded_reply(CertRep(pki_status=SUCCESS), to=to)).envelope.at(1).children

    assert recipient.at(1).dump() == issuer_and_serial(keys.client().certificate.der)


def test_success_cannot_be_encrypted_to_an_ec_key() -> None:
    to = verified_request(request(signer=keys.ec_client()))

    with pytest.raises(KeyCapabilityError):
        encoded_reply(CertRep(pki_status=SUCCESS), to=to)
    assert encoded_reply(CertRep(pki_status=PENDING), to=to)


@pytest.mark.conforms("X-12", "M-17")
@pytest.mark.parametrize(
    "value",
    [utf8("id_\xe4"), printable("id"), tlv(IA5, b"id@x"), tlv(BMP, b"\x00i\x00d")],
)
def test_transaction_id_is_echoed_byte_for_byte(value: bytes) -> None:
    to = verified_request(request().having("transactionID", value))

    assert (
        attributes_of(encoded_reply(CertRep(pki_status=PENDING), to=to))["transactionID"] == value
    )


def test_reply_to_a_message_without_nonce_has_an_empty_one() -> None:
    """No request gets so far; it takes a CertRep, which may lack its own nonce."""
    to = verified_reply(cert_rep().without("senderNonce"))

    attributes = attributes_of(encoded_reply(CertRep(pki_status=PENDING), to=to))
    assert attributes["recipientNonce"] == octets(b"")


# ------------------------------------------------------------------------------ reading: replies


def test_reply_is_read() -> None:
    verified = verified_reply(success(keys.client().certificate))

    assert verified.message_type is MessageType.CERT_REP
    assert verified.transaction_id == TRANSACTION_ID
    assert verified.transaction_id_der == printable(TRANSACTION_ID)
    assert verified.sender_nonce == NONCE
    assert verified.recipient_nonce == REQUEST_NONCE
    assert len(REQUEST_NONCE) == NONCE_SIZE
    assert verified.pki_status is SUCCESS
    assert verified.fail_info is None
    assert verified.fail_info_text is None
    assert verified.hresult is None
    assert verified.signer == keys.ca().certificate
    assert verified.digest_algorithm is SHA256
    assert verified.signature_algorithm is SignatureAlgorithm.RSA_SHA256
    assert verified.has_envelope
    assert verified.decrypt([keys.client()]).octets == degenerate([keys.client().certificate.der])


@pytest.mark.conforms("M-30", "M-13")
def test_attributes_of_replies_are_ignored_in_requests() -> None:
    message = request()
    for name in ("recipientNonce", "pkiStatus", "failInfo", "failInfoText", "hresult"):
        message = message.having(name, integer(99))

    verified = verified_request(message)

    assert verified.recipient_nonce is None
    assert verified.pki_status is None
    assert verified.fail_info is None
    assert verified.fail_info_text is None
    assert verified.hresult is None


@pytest.mark.conforms("M-05", "E-22", "M-10")
@pytest.mark.parametrize("piece", [1, 100, 100_000])
def test_ber_is_read(piece: int) -> None:
    message = to_ber(success(keys.client().certificate).encode(), piece=piece)

    verified = parse_pki_message(message).verify([keys.ca().certificate])

    assert verified.decrypt([keys.client()]).octets == degenerate([keys.client().certificate.der])


Change = Callable[[SignedMessage], SignedMessage]


def unchanged(message: SignedMessage) -> SignedMessage:
    return message


def by_key_identifier(message: SignedMessage) -> SignedMessage:
    sid = key_identifier(key_identifier_of(message.signer.certificate.public_key))
    return replace(message, sid=sid, signer_version=3, version=3)


SHA256_ID = DIGESTS["sha256"]
PROTECTED = algorithm_protection(SHA256_ID, RSA_ENCRYPTION)

LEGAL: dict[str, Change] = {
    "as it should be": unchanged,
    "signer by key identifier": by_key_identifier,
    "no certificates": lambda m: replace(m, certificates=()),
    "an attribute certificate too": lambda m: replace(m, certificates=(explicit(1, integer(1)),)),
    "a CRL too": lambda m: replace(m, crls=(seq(integer(1)),)),
    "unsorted, and signed sorted": lambda m: replace(m, sorted_on_wire=False),
    "unsorted, and signed so": lambda m: replace(m, sorted_on_wire=False, sorted_when_signed=False),
    "sha256WithRSA": lambda m: replace(
        m, signature_identifier=algorithm(RSA_SIGNATURES["sha256"], null())
    ),
    "sha256WithRSA without parameters": lambda m: replace(
        m, signature_identifier=algorithm(RSA_SIGNATURES["sha256"])
    ),
    "rsaEncryption without parameters": lambda m: replace(
        m, signature_identifier=algorithm(RSA_ENCRYPTION)
    ),
    "digest with NULL": lambda m: replace(m, digest_identifier=algorithm(SHA256_ID, null())),
    "PSS": lambda m: replace(
        m,
        scheme=SignatureAlgorithm.RSA_PSS_SHA256,
        signature_identifier=pss_identifier("sha256"),
    ),
    "cmsAlgorithmProtection": lambda m: m.having("cmsAlgorithmProtection", PROTECTED),
    "signing time": lambda m: m.having("signingTime", tlv(0x17, b"700101000000Z")),
    "unknown attribute": lambda m: m.having("1.2.3.4", integer(1), integer(2)),
    "unsigned attribute": lambda m: replace(
        m, unsigned_attributes=(seq(oid("1.2.3"), unsorted_set()),)
    ),
    "text attributes as UTF8String": lambda m: (
        m.having("messageType", utf8("3"))
        .having("pkiStatus", utf8("3"))
        .having("transactionID", utf8(TRANSACTION_ID))
    ),
    "transactionID as TeletexString": lambda m: m.having(
        "transactionID", tlv(TELETEX, TRANSACTION_ID.encode())
    ),
}


@pytest.mark.conforms("M-06", "M-10", "M-17", "M-32", "M-35", "M-37", "M-38", "M-40", "M-43")
@pytest.mark.parametrize("change", LEGAL.values(), ids=LEGAL)
def test_legal_replies_are_read(change: Change) -> None:
    verified = verified_reply(change(cert_rep(pki_status="3")))

    assert verified.pki_status is PENDING
    assert verified.transaction_id == TRANSACTION_ID
    assert verified.recipient_nonce == REQUEST_NONCE


@pytest.mark.conforms("M-35", "M-36")
@pytest.mark.parametrize("digest", ALL_RSA_DIGESTS)
def test_rsa_signatures_are_verified(digest: str) -> None:
    for identifier in (
        algorithm(RSA_ENCRYPTION, null()),
        algorithm(RSA_SIGNATURES[digest], null()),
    ):
        message = replace(cert_rep(), digest=digest, signature_identifier=identifier)
        assert verified_reply(message).digest_algorithm.name.lower() == digest


@pytest.mark.conforms("M-35")
@pytest.mark.parametrize("digest", ECDSA_SIGNATURES)
def test_ecdsa_signatures_are_verified(digest: str) -> None:
    verified = verified_request(replace(request(signer=keys.ec_client()), digest=digest))

    assert verified.signature_algorithm.name.lower() == f"ecdsa_{digest}"


# ------------------------------------------------------------------- reading: single attributes


@pytest.mark.conforms("M-23", "A-08")
@pytest.mark.parametrize("fail_info", [0, 1, 2, 3, 4, 5, 7, 12, 999])
def test_fail_info_is_read_whatever_it_means(fail_info: int) -> None:
    assert verified_reply(cert_rep(pki_status="2", fail_info=str(fail_info))).fail_info == fail_info


@pytest.mark.conforms("M-17", "M-24")
@pytest.mark.parametrize("name", ["failInfoText", "failInfoTextShort"])
@pytest.mark.parametrize(
    ("value", "text"),
    [(utf8("caf\xe9"), "caf\xe9"), (printable("no"), "no"), (utf8(""), "")],
)
def test_fail_info_text_is_read(name: str, value: bytes, text: str) -> None:
    assert verified_reply(cert_rep(pki_status="2").having(name, value)).fail_info_text == text


@pytest.mark.conforms("M-40", "V-05")
@pytest.mark.parametrize(
    ("value", "hresult"),
    [
        (printable("-2147024809"), -2147024809),
        (printable("0"), 0),
        (utf8("2147483647"), 2147483647),
    ],
)
def test_hresult_of_ndes_is_read(value: bytes, hresult: int) -> None:
    assert verified_reply(cert_rep(pki_status="2").having("hresult", value)).hresult == hresult


@pytest.mark.conforms("M-40")
def test_hresult_of_a_request_is_passed_over() -> None:
    message = request(content=b"a").having("hresult", printable("-2147024809"))
    assert parse_pki_message(message.encode()).verify_possession().hresult is None


@pytest.mark.conforms("M-40")
@pytest.mark.parametrize(
    "values",
    [
        (),
        (integer(5),),
        (printable("1"), printable("2")),
        (printable(""),),
        (printable("-"),),
        (printable("--1"),),
        (printable("0x80070057"),),
        (printable("12345678901"),),
        (utf8("\u0661"),),
    ],
)
def test_malformed_hresult_is_passed_over(values: tuple[bytes, ...]) -> None:
    assert verified_reply(cert_rep(pki_status="2").having("hresult", *values)).hresult is None


@pytest.mark.conforms("M-20")
def test_transaction_id_may_be_long_up_to_a_limit() -> None:
    longest = "a" * Limits().transaction_id_size

    assert verified_reply(cert_rep(transaction_id=longest)).transaction_id == longest
    with pytest.raises(LimitExceeded) as caught:
        verified_reply(cert_rep(transaction_id=f"{longest}a"))
    assert caught.value.limit == "transaction_id_size"
    assert caught.value.value == len(longest) + 1
    assert caught.value.fail_info_hint == FailInfo.BAD_REQUEST.value


@pytest.mark.conforms("M-20")
def test_limits_are_those_of_the_caller() -> None:
    limits = Limits(transaction_id_size=4)

    assert verified_reply(cert_rep(transaction_id="1234"), limits=limits).transaction_id == "1234"
    with pytest.raises(LimitExceeded):
        verified_reply(cert_rep(transaction_id="12345"), limits=limits)


@pytest.mark.parametrize("name", ["senderNonce", "recipientNonce"])
def test_nonce_may_be_long_up_to_a_limit(name: str) -> None:
    size = Limits().nonce_size

    verified_reply(cert_rep().having(name, octets(bytes(size))))
    with pytest.raises(LimitExceeded) as caught:
        verified_reply(cert_rep().having(name, octets(bytes(size + 1))))
    assert caught.value.limit == "nonce_size"
    assert caught.value.value == size + 1


# -------------------------------------------------------------------------------- what is refused


def having(name: str, *values: bytes) -> Change:
    return lambda message: message.having(name, *values)


def without(name: str) -> Change:
    return lambda message: message.without(name)


def repeating(name: str) -> Change:
    return lambda message: message.repeating(name)


def with_two_values(name: str) -> Change:
    return lambda message: message.having(name, *dict(message.all_attributes())[name] * 2)


@dataclass(frozen=True)
class Refusal:
    """A change to a message, and how reading the changed message has to end."""

    change: Change
    error: type[ScepError]
    facts: tuple[tuple[str, object], ...] = ()
    text: str = ""

    def check(self, read: Callable[[SignedMessage], object], message: SignedMessage) -> None:
        read(message)
        with pytest.raises(self.error) as caught:
            read(self.change(message))
        assert type(caught.value) is self.error
        for name, value in self.facts:
            assert getattr(caught.value, name) == value
        assert self.text in str(caught.value)


def missing(name: str) -> Refusal:
    facts = (("attribute", name), ("reference", "RFC 8894 section 3.2.1"))
    return Refusal(without(name), MissingAttribute, facts, name)


def duplicate(name: str, change: Change) -> Refusal:
    facts = (("attribute", name), ("reference", "RFC 5652 section 11"))
    return Refusal(change, DuplicateAttribute, facts, name)


def of_type(actual: str) -> Refusal:
    facts = (("actual", actual), ("reference", "RFC 8894 section 3.2.1.2"))
    change = having("messageType", printable(actual))
    return Refusal(change, UnexpectedMessageType, facts, repr(actual))


def malformed(name: str, value: bytes, section: str, text: str = "") -> Refusal:
    facts = (("reference", f"RFC 8894 section {section}"),)
    return Refusal(having(name, value), MessageError, facts, text)


def refusals_by_attribute() -> dict[str, Refusal]:
    found = {}
    for name in ("contentType", "messageDigest", "messageType", "transactionID", "pkiStatus"):
        found[f"no {name}"] = missing(name)
    for name in sorted(ALWAYS):
        found[f"{name} twice"] = duplicate(name, repeating(name))
        found[f"{name} without value"] = duplicate(name, having(name))
        found[f"{name} with two values"] = duplicate(name, with_two_values(name))
    for name in ("failInfo", "failInfoText", "cmsAlgorithmProtection"):
        two = having(name, utf8("1"), utf8("1"))
        found[f"{name} with two values"] = duplicate(name, two)
    for text in ("0", "1", "18", "23", "41", "019", " 19", "+3", "", "0x13", "3.0"):
        found[f"messageType {text!r}"] = of_type(text)
    for text in ("1", "4", "11", "00", " 0", "", "-1", "SUCCESS"):
        found[f"pkiStatus {text!r}"] = malformed(
            "pkiStatus", printable(text), "3.2.1.3", repr(text)
        )
    for text in ("02", " 2", "", "-1", "x", "1000", "2.0", "\u0662"):
        found[f"failInfo {text!r}"] = malformed("failInfo", utf8(text), "3.2.1.4", repr(text))
    for name in ("messageType", "pkiStatus", "failInfo", "transactionID", "failInfoText"):
        found[f"{name} as INTEGER"] = malformed(name, integer(3), "3.2.1", name)
    for name in ("senderNonce", "recipientNonce"):
        found[f"{name} empty"] = malformed(name, octets(b""), "3.2.1.5", name)
        found[f"{name} as text"] = malformed(name, printable("a"), "3.2.1.5", name)
    found["transactionID beyond ASCII"] = malformed(
        "transactionID", tlv(0x13, b"\xff"), "3.2.1", "transactionID"
    )
    found["transactionID empty"] = malformed("transactionID", printable(""), "3.2.1.1", "empty")
    return found


BY_ATTRIBUTE = refusals_by_attribute()


@pytest.mark.conforms(
    "M-09", "M-11", "M-15", "M-20", "M-21", "M-22", "A-11", "C-25", "L-01", "V-06", "S-13"
)
@pytest.mark.parametrize("refusal", BY_ATTRIBUTE.values(), ids=BY_ATTRIBUTE)
def test_reply_is_refused_for_an_attribute(refusal: Refusal) -> None:
    refusal.check(verified_reply, cert_rep())


@pytest.mark.conforms("M-12")
@pytest.mark.parametrize(
    "name", ["contentType", "messageDigest", "messageType", "transactionID", "senderNonce"]
)
def test_request_is_refused_without(name: str) -> None:
    missing(name).check(verified_request, request())


BY_SIGNATURE = {
    "no signed attributes": Refusal(
        lambda m: replace(m, has_signed_attributes=False),
        MissingAttribute,
        (("attribute", "signedAttrs"), ("reference", "RFC 8894 section 3.2")),
    ),
    "no signer": Refusal(
        lambda m: replace(m, signer_infos=()),
        MessageError,
        (("reference", "RFC 8894 section 3.1"),),
        "0 signers",
    ),
    "two signers": Refusal(
        lambda m: replace(m, signer_infos=(m.encode_signer_info(),) * 2),
        MessageError,
        (("reference", "RFC 8894 section 3.1"),),
        "2 signers",
    ),
    "content of another type": Refusal(
        lambda m: replace(m, content_type=SIGNED_DATA),
        MessageError,
        (("reference", "RFC 8894 section 3.2"),),
        SIGNED_DATA,
    ),
    "contentType of another content": Refusal(
        having("contentType", oid(SIGNED_DATA)), SignatureInvalid, text=SIGNED_DATA
    ),
    "contentType as text": Refusal(having("contentType", printable("a")), DecodeError),
    "messageDigest of another content": Refusal(
        having("messageDigest", octets(bytes(32))), SignatureInvalid, text="messageDigest"
    ),
    "messageDigest cut short": Refusal(
        having("messageDigest", octets(b"")), SignatureInvalid, text="messageDigest"
    ),
    "messageDigest as text": Refusal(having("messageDigest", printable("a")), DecodeError),
    "another signature": Refusal(lambda m: replace(m, signature=bytes(256)), SignatureInvalid),
    "an empty signature": Refusal(lambda m: replace(m, signature=b""), SignatureInvalid),
    "another signature, unsorted": Refusal(
        lambda m: replace(m, signature=bytes(256), sorted_on_wire=False), SignatureInvalid
    ),
    "an attribute that was not signed": Refusal(
        lambda m: replace(
            m.having("pkiStatus", printable("2")),
            signature=m.signer.key.sign(
                tlv(0x31, m.signed_attributes(in_order=True)), SignatureAlgorithm.RSA_SHA256
            ),
        ),
        SignatureInvalid,
    ),
    "digest SHA-256, signature SHA-1": Refusal(
        lambda m: replace(
            m,
            scheme=SignatureAlgorithm.RSA_SHA1,
            signature_identifier=algorithm(RSA_SIGNATURES["sha1"], null()),
        ),
        SignatureInvalid,
        text="SHA1",
    ),
    "digest SHA-512, signature SHA-256": Refusal(
        lambda m: replace(
            m,
            digest="sha512",
            scheme=SignatureAlgorithm.RSA_SHA256,
            signature_identifier=algorithm(RSA_SIGNATURES["sha256"], null()),
        ),
        SignatureInvalid,
        text="SHA256",
    ),
    "digest SHA-256, PSS with SHA-512": Refusal(
        lambda m: replace(
            m,
            scheme=SignatureAlgorithm.RSA_PSS_SHA512,
            signature_identifier=pss_identifier("sha512"),
        ),
        SignatureInvalid,
        text="SHA512",
    ),
    "PSS with another salt": Refusal(
        lambda m: replace(m, signature_identifier=pss_identifier("sha256", salt=20)),
        UnsupportedError,
        (("algorithm", "1.2.840.113549.1.1.10"),),
    ),
    "ECDSA by an RSA key": Refusal(
        lambda m: replace(
            m,
            scheme=SignatureAlgorithm.RSA_SHA256,
            signature_identifier=algorithm(ECDSA_SIGNATURES["sha256"]),
        ),
        SignatureInvalid,
        text="ECDSA_SHA256",
    ),
    "MD5": Refusal(
        lambda m: replace(m, digest="md5", scheme=SignatureAlgorithm.RSA_SHA1),
        WeakAlgorithm,
        (("algorithm", "MD5"), ("argument", None), ("fail_info_hint", 0)),
    ),
    "md5WithRSA": Refusal(
        lambda m: replace(
            m,
            scheme=SignatureAlgorithm.RSA_SHA256,
            signature_identifier=algorithm(RSA_SIGNATURES["md5"], null()),
        ),
        WeakAlgorithm,
        (("algorithm", "md5WithRSAEncryption"), ("argument", None)),
    ),
    "an unknown digest": Refusal(
        lambda m: replace(m, digest_identifier=algorithm("1.2.3.4")),
        UnsupportedError,
        (("algorithm", "1.2.3.4"), ("fail_info_hint", 0)),
    ),
    "an unknown signature": Refusal(
        lambda m: replace(m, signature_identifier=algorithm("1.2.3.5")),
        UnsupportedError,
        (("algorithm", "1.2.3.5"),),
    ),
    "cmsAlgorithmProtection of another digest": Refusal(
        having("cmsAlgorithmProtection", algorithm_protection(DIGESTS["sha512"], RSA_ENCRYPTION)),
        SignatureInvalid,
        text="cmsAlgorithmProtection",
    ),
    "cmsAlgorithmProtection of another signature": Refusal(
        having("cmsAlgorithmProtection", algorithm_protection(SHA256_ID, RSA_SIGNATURES["sha256"])),
        SignatureInvalid,
        text="cmsAlgorithmProtection",
    ),
    "cmsAlgorithmProtection malformed": Refusal(
        having("cmsAlgorithmProtection", seq()), DecodeError
    ),
    "signer named by nothing": Refusal(lambda m: replace(m, sid=seq()), DecodeError),
    "signer named by a number": Refusal(lambda m: replace(m, sid=integer(1)), DecodeError),
    "another signer": Refusal(
        lambda m: replace(m, sid=issuer_and_serial(keys.stranger().certificate.der)),
        SignatureInvalid,
        text="CN=Stranger",
    ),
    "another signer by key identifier": Refusal(
        lambda m: replace(m, sid=key_identifier(b"\xaa" * 20)), SignatureInvalid, text="aaaa"
    ),
}


@pytest.mark.conforms(
    "M-01", "M-07", "M-08", "M-09", "M-10", "M-36", "M-37", "A-10", "A-12", "S-04", "S-05", "S-12"
)
@pytest.mark.parametrize("refusal", BY_SIGNATURE.values(), ids=BY_SIGNATURE)
def test_reply_is_refused_for_its_signature(refusal: Refusal) -> None:
    refusal.check(verified_reply, cert_rep())


@pytest.mark.conforms("A-10")
@pytest.mark.parametrize("status", ["0", "2", "3"])
def test_signature_is_checked_whatever_the_status(status: str) -> None:
    with pytest.raises(SignatureInvalid):
        verified_reply(replace(cert_rep(pki_status=status), signature=bytes(256)))


@pytest.mark.conforms("M-01", "M-42")
@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\x30",
        b"<html>",
        b"\x30\x80",
        seq(),
        integer(1),
        content_info(DATA, octets(b"")),
        content_info(ENVELOPED_DATA, seq()),
        content_info(SIGNED_DATA, seq()),
    ],
)
def test_what_is_no_signed_data_is_refused(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_pki_message(encoded)


@pytest.mark.conforms("M-42")
@pytest.mark.parametrize("ber", [False, True], ids=["DER", "BER"])
def test_trailing_bytes_are_refused(ber: bool) -> None:
    message = cert_rep().encode()
    encoded = to_ber(message) if ber else message

    parse_pki_message(encoded)
    with pytest.raises(DecodeError) as caught:
        parse_pki_message(encoded + b"\x00")
    assert caught.value.offset == len(encoded)


@pytest.mark.conforms("S-19", "T-29")
def test_large_messages_are_refused_before_they_are_read() -> None:
    encoded = cert_rep().encode()

    with pytest.raises(LimitExceeded) as caught:
        parse_pki_message(encoded, limits=Limits(message_size=len(encoded) - 1))

    assert caught.value.limit == "message_size"
    assert caught.value.value == len(encoded)
    assert caught.value.http_status_hint == 413


@pytest.mark.conforms("S-19")
def test_number_of_attributes_is_limited() -> None:
    with pytest.raises(LimitExceeded) as caught:
        verified_reply(cert_rep(), limits=Limits(attributes=len(ALWAYS) - 1))

    assert caught.value.limit == "attributes"


# ------------------------------------------------------------------------------- who has signed


@pytest.mark.conforms("M-33", "M-34", "A-12")
def test_signer_is_found_among_the_trusted_by_what_the_message_says() -> None:
    message = parse_pki_message(cert_rep().encode())
    others = [keys.stranger().certificate, keys.client().certificate]

    assert message.verify([*others, keys.ca().certificate]).signer == keys.ca().certificate
    with pytest.raises(SignatureInvalid) as caught:
        message.verify(others)
    # It says who signed, and who should have.
    assert "CN=Test CA" in str(caught.value)
    assert "CN=Stranger" in str(caught.value)
    assert caught.value.fail_info_hint == FailInfo.BAD_MESSAGE_CHECK.value


def test_somebody_has_to_be_trusted() -> None:
    with pytest.raises(UsageError) as caught:
        parse_pki_message(cert_rep().encode()).verify([])

    assert caught.value.argument == "signers"


@pytest.mark.conforms("M-33")
def test_possession_is_checked_with_the_certificate_named_not_the_first() -> None:
    chain = (
        b"\x30\x03\x02\x01\x01",  # no certificate at all
        keys.ca().certificate.der,
        keys.client().certificate.der,
    )

    verified = verified_request(replace(request(), certificates=chain))

    assert verified.signer == keys.client().certificate
    assert verified.enclosed_certificates == chain


@pytest.mark.conforms("M-31", "S-02")
@pytest.mark.parametrize("certificates", [(), ("ca",)], ids=["none", "another"])
def test_possession_needs_the_signers_certificate(certificates: tuple[str, ...]) -> None:
    enclosed = tuple(getattr(keys, name)().certificate.der for name in certificates)

    with pytest.raises(SignatureInvalid) as caught:
        verified_request(replace(request(), certificates=enclosed))

    assert "CN=sensor-17" in str(caught.value)


def test_possession_is_not_shown_by_a_wrong_signature() -> None:
    with pytest.raises(SignatureInvalid):
        verified_request(replace(request(), signature=bytes(256)))


def verify_reply(message: UnverifiedMessage, minimum: DigestAlgorithm) -> VerifiedMessage:
    return message.verify([keys.ca().certificate], minimum_digest=minimum)


def verify_possession(message: UnverifiedMessage, minimum: DigestAlgorithm) -> VerifiedMessage:
    return message.verify_possession(minimum_digest=minimum)


@pytest.mark.conforms("M-36")
@pytest.mark.parametrize("verify", [verify_reply, verify_possession])
def test_caller_demands_a_digest(
    verify: Callable[[UnverifiedMessage, DigestAlgorithm], VerifiedMessage],
) -> None:
    message = parse_pki_message(replace(cert_rep(), digest="sha1").encode())

    assert verify(message, DigestAlgorithm.SHA1).digest_algorithm is DigestAlgorithm.SHA1
    with pytest.raises(WeakAlgorithm) as caught:
        verify(message, SHA256)
    assert caught.value.algorithm == "SHA1"
    assert caught.value.argument == "minimum_digest"
    assert caught.value.fail_info_hint == FailInfo.BAD_ALG.value


def test_what_is_not_verified_says_nothing() -> None:
    message = parse_pki_message(request(content=SECRET.encode()).encode())

    assert repr(message) == "UnverifiedMessage()"
    assert not any(hasattr(message, field.name) for field in fields(VerifiedMessage)[:-1])
    assert SECRET not in repr(message.verify_possession())


# ----------------------------------------------------------------------------------- decrypting


def in_envelope(content: bytes, **changes: object) -> VerifiedMessage:
    envelope = replace(
        Envelope(recipient=keys.client().certificate, content=content),
        **changes,  # type: ignore[arg-type]
    )
    return verified_reply(cert_rep(content=envelope.encode()))


PLAIN = degenerate()


@pytest.mark.conforms("E-10", "E-13")
@pytest.mark.parametrize("cipher", sorted(STANDARD_CIPHERS, key=attrgetter("name")))
def test_aes_is_read(cipher: ContentEncryptionAlgorithm) -> None:
    found = in_envelope(PLAIN, cipher=cipher).decrypt([keys.client()])

    assert found.octets == PLAIN
    assert found.content_encryption_algorithm is cipher


@pytest.mark.conforms("E-11", "E-12", "L-10")
@pytest.mark.parametrize("cipher", [DES, DES3])
def test_legacy_ciphers_are_read_only_by_name(cipher: ContentEncryptionAlgorithm) -> None:
    verified = in_envelope(PLAIN, cipher=cipher)

    with pytest.raises(WeakAlgorithm) as caught:
        verified.decrypt([keys.client()])
    assert caught.value.algorithm == cipher.name
    assert caught.value.argument == "read_legacy_ciphers"
    found = verified.decrypt([keys.client()], ciphers={cipher})
    assert found.octets == PLAIN
    assert found.content_encryption_algorithm is cipher


@pytest.mark.conforms("E-18")
def test_any_identity_may_be_the_recipient() -> None:
    found = in_envelope(PLAIN).decrypt([keys.ca(), keys.stranger(), keys.client()])

    assert found.octets == PLAIN
    assert found.recipient == keys.client().certificate


def test_plaintext_stays_out_of_repr() -> None:
    content = seq(octets(SECRET.encode()))

    assert SECRET not in repr(in_envelope(content).decrypt([keys.client()]))


def test_content_may_be_ber() -> None:
    """Of indefinite length, it ends with its end mark."""
    content = to_ber(PLAIN)

    assert in_envelope(content).decrypt([keys.client()]).octets == content


@pytest.mark.conforms("E-16", "S-07")
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x30",
        b"garbage",
        octets(b"no SEQUENCE"),
        PLAIN + b"\x00",
        PLAIN[:-1],
        b"\x30\x80\x02\x01\x01",
        b"\x30\x84\xff\xff\xff\xff",
    ],
)
def test_content_that_is_no_structure_looks_like_a_wrong_key(content: bytes) -> None:
    with pytest.raises(DecryptionFailed) as caught:
        in_envelope(content).decrypt([keys.client()])

    assert str(caught.value) == DecryptionFailed.TEXT
    assert caught.value.__cause__ is None


@pytest.mark.conforms("E-16", "S-07")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"encrypted_key": bytes(256)}, id="RSA block"),
        pytest.param({"encrypted_key": b""}, id="no RSA block"),
        pytest.param({"content_key": bytes(15)}, id="length of the key"),
        pytest.param({"content_key": bytes(16)}, id="another key"),
        pytest.param({"encrypted_content": bytes(32)}, id="padding"),
        pytest.param({"encrypted_content": bytes(17)}, id="no whole blocks"),
        pytest.param({"encrypted_content": b""}, id="no block"),
    ],
)
def test_whatever_fails_in_decrypting_fails_alike(changes: dict[str, object]) -> None:
    with pytest.raises(DecryptionFailed) as caught:
        in_envelope(PLAIN, **changes).decrypt([keys.client()])

    assert str(caught.value) == DecryptionFailed.TEXT
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.conforms("A-18")
def test_envelope_for_somebody_else_is_named() -> None:
    with pytest.raises(MessageError) as caught:
        in_envelope(PLAIN, recipient=keys.stranger().certificate).decrypt([keys.client()])

    assert caught.value.reference == "RFC 8894 section 2.3"
    assert "CN=Stranger" in str(caught.value)


@pytest.mark.conforms("M-02", "E-01")
@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(seq(integer(0)), DecodeError, id="a plain request"),
        pytest.param(degenerate(), DecodeError, id="SignedData"),
        pytest.param(content_info(ENVELOPED_DATA, seq()), DecodeError, id="an empty envelope"),
        pytest.param(b"\x00\x00", DecodeError, id="two zero bytes"),
    ],
)
def test_content_has_to_be_an_envelope(content: bytes, error: type[ProtocolError]) -> None:
    verified = verified_request(request(content=content))

    with pytest.raises(error):
        verified.decrypt([keys.ca()])


@pytest.mark.conforms("E-01")
def test_content_of_the_envelope_has_to_be_data() -> None:
    with pytest.raises(MessageError) as caught:
        in_envelope(PLAIN, inner_type=SIGNED_DATA).decrypt([keys.client()])

    assert caught.value.reference == "RFC 8894 section 3.2.2"


@pytest.mark.conforms("E-06", "L-08", "A-09")
@pytest.mark.parametrize("content", [None, b"", b"\x00"])
def test_nothing_cannot_be_decrypted(content: bytes | None) -> None:
    verified = verified_request(request(content=content))

    assert not verified.has_envelope
    with pytest.raises(MessageError) as caught:
        verified.decrypt([keys.ca()])
    assert caught.value.reference == "RFC 8894 section 3.2"
    assert "no content" in str(caught.value)


def test_limits_hold_inside_the_envelope_too() -> None:
    envelope = Envelope(recipient=keys.client().certificate, content=PLAIN)
    message = cert_rep(
        content=replace(envelope, recipients_after=(envelope.encode_recipient(),)).encode()
    )

    assert len(verified_reply(message).envelope().recipients) == 2
    with pytest.raises(LimitExceeded) as caught:
        verified_reply(message, limits=Limits(recipients=1)).envelope()
    assert caught.value.limit == "recipients"


@pytest.mark.conforms("G-24", "E-18")
def test_recipient_is_found_under_another_spelling_of_its_issuer() -> None:
    """Some servers write the issuer anew, in another string type."""
    issuer = common_name(b"SENSOR CA", tag=0x13)
    serial_number = 4711
    mine = keys.certify(
        "CN=sensor", key=keys.rsa(1), issuer_name="CN=sensor ca", serial_number=serial_number
    )

    verified = in_envelope(PLAIN, rid=seq(issuer, integer(serial_number)))

    assert verified.decrypt([mine]).octets == PLAIN
