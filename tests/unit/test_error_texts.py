"""What errors say, word for word: the text is for people, the facts are for programs.

Each entry is something that goes wrong, and the error that has to come of it, as a value.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from pyscep import extensions
from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
)
from pyscep.ca import (
    CaCertificates,
    normalise_fingerprint,
    parse_ca_certificates,
    parse_next_ca_certificates,
)
from pyscep.certificates import Identity, parse_certificate
from pyscep.cms_enveloped import (
    STANDARD_CIPHERS,
    EnvelopedData,
    envelop,
    parse_enveloped_data,
    parse_key_encryption,
)
from pyscep.cms_password import PasswordRecipient, password_octets
from pyscep.cms_signed import parse_degenerate, parse_signed_data, sign_data
from pyscep.errors import (
    DecodeError,
    DuplicateAttribute,
    KeyCapabilityError,
    LimitExceeded,
    MessageError,
    MissingAttribute,
    ProtocolError,
    RequestPending,
    RequestRefused,
    ScepError,
    SignatureInvalid,
    UnexpectedMessageType,
    UnsupportedError,
    UntrustedCa,
    UsageError,
    WeakAlgorithm,
)
from pyscep.extensions import ExtendedKeyUsage
from pyscep.limits import Limits
from pyscep.pki_message import (
    MessageData,
    VerifiedMessage,
    encode_transaction_id,
    parse_pki_message,
)
from pyscep.transaction import Failure, Pending, Transaction, require_success
from tests.helpers import exchanges, keys, tlv
from tests.helpers.keys import CERT_SIGN, EVERYTHING, NOW, SIGN, START, certify
from tests.helpers.message_factory import (
    Envelope,
    SignedMessage,
    cert_rep,
    degenerate,
    pss_identifier,
    request,
)
from tests.helpers.password_recipient import PASSWORD, PWRI_KEK, PasswordRecipientInfo
from tests.helpers.tlv import SignedDataParts

Table = dict[str, tuple[Callable[[], object], ScepError]]

CLIENT_AUTH, SERVER_AUTH = ExtendedKeyUsage.CLIENT_AUTH.value, ExtendedKeyUsage.SERVER_AUTH.value
RAISE_IT = "raise that field if the peer is known to send so much."


def compare(table: Table, name: str) -> None:
    act, expected = table[name]
    with pytest.raises(type(expected)) as caught:
        act()
    assert type(caught.value) is type(expected)
    assert str(caught.value) == str(expected)
    assert vars(caught.value) == vars(expected)


# ------------------------------------------------------------------------------ CA certificates

ROOT = certify("CN=Root", key=keys.rsa(0), ca=True, usages=CERT_SIGN)
ISSUING = certify("CN=Issuing", key=keys.rsa(3), issuer=ROOT, ca=True, usages=CERT_SIGN)
OTHER_ISSUING = certify("CN=Other", key=keys.rsa(6), issuer=ROOT, ca=True, usages=CERT_SIGN)
ENDMOST = certify(
    "CN=Endmost",
    key=keys.rsa(0),
    ca=True,
    usages=CERT_SIGN,
    replaced=[extensions.basic_constraints(ca=True, path_length=0)],
)
BELOW = certify("CN=Below", key=keys.rsa(3), issuer=ENDMOST, ca=True, usages=CERT_SIGN)
FOREIGN = certify("CN=Foreign", key=keys.rsa(2), ca=True, usages=CERT_SIGN)
EC_ROOT = certify("CN=EC root", key=keys.ec(0), ca=True, usages=CERT_SIGN)
EC_ISSUING = certify("CN=EC CA", key=keys.ec(1), issuer=EC_ROOT, ca=True, usages=CERT_SIGN)
RA = certify("CN=RA", key=keys.rsa(4), issuer=ISSUING)
OLD_RA = certify("CN=Old RA", key=keys.rsa(4), issuer=ROOT, not_after=START)
WEB = certify(
    "CN=www", key=keys.rsa(4), issuer=ROOT, purposes=[CLIENT_AUTH, SERVER_AUTH], usages=SIGN
)
ENDING = certify(
    "CN=Ending",
    key=keys.rsa(0),
    ca=True,
    usages=EVERYTHING,
    not_after=datetime(2030, 12, 31, tzinfo=timezone.utc),
)


def bag(*identities: Identity) -> CaCertificates:
    return CaCertificates(certificates=tuple(each.certificate for each in identities))


def sha256(identity: Identity) -> str:
    return hashlib.sha256(identity.certificate.der).hexdigest()


def trusting(*sent: Identity, anchors: tuple[Identity, ...] = (ROOT,)) -> object:
    return bag(*sent).authenticate(anchors=[each.certificate for each in anchors], at=NOW)


def next_ca(content: bytes | None = None, *beside: Identity) -> object:
    message = SignedMessage(
        signer=keys.ca(),
        content=content,
        certificates=tuple(each.certificate.der for each in beside),
    )
    return parse_next_ca_certificates(message.encode(), current=exchanges.trusted_ca(), at=NOW)


CA: Table = {
    "a certificate of the CA has expired": (
        lambda: (
            bag(ENDING).authenticate(anchors=[ENDING.certificate], at=NOW).check_validity(keys.END)
        ),
        UntrustedCa(
            "The certificate of CN=Ending is valid from 2025-01-01 to 2030-12-31 only; "
            "fetch the CA certificates anew.",
            actual=sha256(ENDING),
        ),
    ),
    "nothing says which CA is right": (
        lambda: bag(ROOT).authenticate(at=NOW),
        UsageError(
            "Nothing says which CA is the right one; give sha256= (the fingerprint of the root "
            "certificate) or anchors=.",
            argument="sha256",
        ),
    ),
    "no reason to trust anybody": (
        lambda: bag(ROOT).authenticate_without_verification(reason=" ", at=NOW),
        UsageError(
            "Trusting an unknown CA needs a reason; give reason=, or rather sha256= to "
            "authenticate().",
            argument="reason",
        ),
    ),
    "a reply that is too large": (
        lambda: parse_ca_certificates(bytes(11), limits=Limits(message_size=10)),
        LimitExceeded(
            f"The reply to GetCACert has 11 bytes, but Limits.message_size allows 10; {RAISE_IT}",
            limit="message_size",
            value=11,
        ),
    ),
    "too many CA certificates": (
        lambda: parse_ca_certificates(
            (ROOT.certificate.pem() + ISSUING.certificate.pem()).encode(),
            limits=Limits(certificates=1),
        ),
        LimitExceeded(
            f"There are 2 CA certificates, but Limits.certificates allows 1; {RAISE_IT}",
            limit="certificates",
            value=2,
        ),
    ),
    "no CA certificate": (
        lambda: parse_ca_certificates(degenerate()),
        ProtocolError(
            "The reply to GetCACert has no certificate in it; check the server's URL and its CA "
            "configuration.",
            reference="RFC 8894 section 4.2.1",
        ),
    ),
    "something else than CA certificates": (
        lambda: parse_ca_certificates(b"<html>"),
        DecodeError(
            "The reply to GetCACert is neither a certificate nor PKCS #7; check the server's URL."
        ),
    ),
    "one byte": (
        lambda: parse_ca_certificates(b"\x30"),
        DecodeError(
            "The reply to GetCACert is neither a certificate nor PKCS #7; check the server's URL."
        ),
    ),
    "an empty structure": (
        lambda: parse_ca_certificates(b"\x30\x00"),
        DecodeError("The structure ends where another element is required (at byte 2).", offset=2),
    ),
    "a pkiMessage in the place of the next CA": (
        lambda: parse_next_ca_certificates(
            cert_rep(pki_status="3").encode(), current=exchanges.trusted_ca(), at=NOW
        ),
        UntrustedCa(
            "The reply to GetNextCACert is a pkiMessage with certificates beside it, for which the "
            "CA has not signed; do not use them.",
            expected="a signed set of certificates",
            actual="a pkiMessage",
        ),
    ),
    "a next CA beside the signature": (
        lambda: next_ca(None, FOREIGN),
        UntrustedCa(
            "The next CA certificate of CN=Foreign stands outside the signed content and was not "
            "issued by the current CA, so nothing vouches for it.",
            expected="CN=Test CA,O=Example",
            actual="CN=Foreign",
        ),
    ),
    "no next CA": (
        lambda: next_ca(degenerate([keys.ca().certificate.der])),
        UntrustedCa("The reply to GetNextCACert has no CA certificate that is new."),
    ),
    "a next CA that is not newer": (
        lambda: next_ca(degenerate([ENDING.certificate.der])),
        UntrustedCa(
            "The next CA certificate of CN=Ending ends on 2030-12-31, not after the current one "
            "(2035-01-01); it may be an old reply sent again.",
            expected="after 2035-01-01",
            actual="2030-12-31",
        ),
    ),
    "a SHA-256 fingerprint of another length": (
        lambda: normalise_fingerprint("00", size=32),
        UsageError(
            "The fingerprint has 1 bytes, but SHA-256 has 32; take it over the DER of the root "
            "certificate (MD5 is not accepted).",
            argument="sha256",
        ),
    ),
    "a SHA-1 fingerprint of another length": (
        lambda: normalise_fingerprint(bytes(16), size=20),
        UsageError(
            "The fingerprint has 16 bytes, but SHA-1 has 20; take it over the DER of the root "
            "certificate (MD5 is not accepted).",
            argument="sha1",
        ),
    ),
    "a fingerprint that is none": (
        lambda: bag(ROOT).authenticate(sha256="my CA", at=NOW),
        UsageError(
            "'my CA' is not a fingerprint; write it in hexadecimal, with or without colons.",
            argument="sha256",
        ),
    ),
    "the fingerprint of another CA": (
        lambda: bag(RA, ROOT, ISSUING).authenticate(sha256="00" * 32, at=NOW),
        UntrustedCa(
            f"No certificate has the fingerprint {'00' * 32}; the CA certificates seen have "
            f"{sha256(ROOT)} (CN=Root), {sha256(ISSUING)} (CN=Issuing); if the root is missing "
            "among them, add it with anchors=.",
            expected="00" * 32,
            actual=f"{sha256(ROOT)} (CN=Root), {sha256(ISSUING)} (CN=Issuing)",
        ),
    ),
    "two fingerprints, and no CA at all": (
        lambda: bag(RA).authenticate(sha256="00" * 32, sha1="11" * 20, at=NOW),
        UntrustedCa(
            f"No certificate has the fingerprint {'00' * 32} and {'11' * 20}; the CA certificates "
            "seen have none at all; if the root is missing among them, add it with anchors=.",
            expected=f"{'00' * 32} and {'11' * 20}",
            actual="",
        ),
    ),
    "the fingerprint of an RA": (
        lambda: bag(RA, ROOT).authenticate(sha256=sha256(RA), at=NOW),
        UntrustedCa(
            "The fingerprint is that of CN=RA, which is no CA; give the fingerprint of the root "
            "certificate.",
            expected="a CA certificate",
            actual="CN=RA",
        ),
    ),
    "the fingerprint of an intermediate": (
        lambda: bag(ISSUING, ROOT).authenticate(sha256=sha256(ISSUING), at=NOW),
        UntrustedCa(
            "The fingerprint is that of CN=Issuing, which is no root but was issued by CN=Root; "
            "give the root's fingerprint, or allow it with anchor_may_be_intermediate=True.",
            expected="a self-signed certificate",
            actual="CN=Issuing",
        ),
    ),
    "no RSA key": (
        lambda: trusting(EC_ROOT, EC_ISSUING, anchors=(EC_ROOT,)),
        UntrustedCa(
            "None of the CA's certificates has an RSA key, so requests would be encrypted with the "
            "challenge password; if the CA really has none, allow it with "
            "encrypt_with_challenge=True.",
            actual="CN=EC root, CN=EC CA",
        ),
    ),
    "nobody who receives": (
        lambda: trusting(
            ROOT, certify("CN=CA", key=keys.rsa(3), issuer=ROOT, ca=True, usages=CERT_SIGN | SIGN)
        ),
        UntrustedCa(
            "None of the CA's certificates may receive requests (RSA, keyEncipherment); if the "
            "server uses one of them all the same, allow it with ignore_key_usage=True.",
            actual="CN=Root, CN=CA",
        ),
    ),
    "nobody who signs": (
        lambda: trusting(
            ROOT,
            certify(
                "CN=CA", key=keys.rsa(3), issuer=ROOT, ca=True, usages=CERT_SIGN | keys.ENCRYPT
            ),
        ),
        UntrustedCa(
            "None of the CA's certificates may sign replies; if the server uses one of them all "
            "the same, allow it with ignore_key_usage=True.",
            actual="CN=Root, CN=CA",
        ),
    ),
    "an RA that has expired": (
        lambda: trusting(OLD_RA, ROOT, anchors=(ROOT, FOREIGN)),
        UntrustedCa(
            "The certificate of CN=Old RA, which came with the CA's, has expired or is not valid "
            "yet; do not use this server before that is clear.",
            expected="CN=Root, CN=Foreign",
            actual="CN=Root",
        ),
    ),
    "an RA of somebody else": (
        lambda: trusting(keys.stranger(), ROOT),
        UntrustedCa(
            "The certificate of CN=Stranger, which came with the CA's, does not chain to the "
            "trusted CA through valid certificates; do not use this server before that is clear.",
            expected="CN=Root",
            actual="CN=Stranger",
        ),
    ),
    "another CA": (
        lambda: trusting(EC_ROOT, EC_ISSUING, anchors=(ROOT, FOREIGN)),
        UntrustedCa(
            "No certificate that the server sent chains to the trusted CA through valid "
            "certificates; check the server's URL, the fingerprint and this device's clock.",
            expected="CN=Root, CN=Foreign",
            actual="CN=EC root, CN=EC CA",
        ),
    ),
    "a CA where there may be none": (
        lambda: trusting(ENDMOST, BELOW, anchors=(ENDMOST,)),
        UntrustedCa(
            "CN=Endmost has certified CN=Below as a CA, where the pathLenConstraint of a CA "
            "certificate allows none; what is issued below it would be refused by others too, so "
            "have the CA's administrator put it right.",
            expected="no CA below CN=Endmost",
            actual="CN=Below",
        ),
    ),
    "two issuing CAs": (
        lambda: trusting(ROOT, ISSUING, OTHER_ISSUING),
        UntrustedCa(
            "Which certificate is the issuing CA is not clear: CN=Issuing, CN=Other; give only "
            "those of one CA.",
            actual="2",
        ),
    ),
    "no issuing CA": (
        lambda: trusting(RA, anchors=(RA,)),
        UntrustedCa(
            "Which certificate is the issuing CA is not clear: none is a valid CA; give only those "
            "of one CA.",
            actual="0",
        ),
    ),
    "an ordinary certificate in the place of an RA's": (
        lambda: trusting(ROOT, WEB),
        UntrustedCa(
            "The certificate of CN=www, which came with the CA's, is an ordinary one: its "
            "extendedKeyUsage is not that of an RA. If the server really uses it, allow it with "
            "ra_may_be_any_end_entity=True.",
            expected="an RA certificate",
            actual=f"{CLIENT_AUTH}, {SERVER_AUTH}",
        ),
    ),
}


@pytest.mark.parametrize("name", CA)
def test_ca_certificates(name: str) -> None:
    compare(CA, name)


# ------------------------------------------------------------------------------------- signatures

RSA, EC = keys.rsa(0), keys.ec(0)
SIGNER = certify("CN=Signer", key=RSA, serial_number=0xAB)
FOREIGN_SIGNER = certify("CN=Foreigner", key=keys.rsa(2), serial_number=0xCD)
EMPTY_BAG = tlv.parse(degenerate())
PARTS = SignedDataParts(key=RSA, sid=tlv.issuer_and_serial(SIGNER.certificate.der))
CONTENT_TYPE = tlv.attribute(tlv.CONTENT_TYPE, tlv.oid(tlv.DATA))
DIGEST = tlv.attribute(tlv.MESSAGE_DIGEST, tlv.octets(hashlib.sha256(b"content").digest()))
PROTECTION = "1.2.840.113549.1.9.52"


def reading(parts: SignedDataParts, limits: Limits | None = None) -> object:
    return parse_signed_data(parts.dump(), limits=limits or Limits())


def checking(
    parts: SignedDataParts,
    signer: Identity = SIGNER,
    digest: DigestAlgorithm = DigestAlgorithm.SHA1,
    limits: Limits | None = None,
) -> object:
    return parse_signed_data(parts.dump(), limits=limits or Limits()).verify(
        signer.certificate, provider=keys.provider(), minimum_digest=digest
    )


def sign_with_ed25519() -> object:
    octets = tlv.certificate(EC, subject=tlv.name("x"), public_key=keys.ED25519)
    return sign_data(
        b"",
        identity=Identity(certificate=parse_certificate(octets), key=keys.OddKey(keys.ED25519)),
        digest_algorithm=DigestAlgorithm.SHA256,
        attributes=(),
        certificates=(),
        provider=keys.provider(),
    )


def part(*path: int, becomes: bytes) -> bytes:
    """Return the SignedData with another element at this place."""
    return tlv.parse(PARTS.dump()).with_at(path, tlv.parse(becomes)).dump()


SIGNED: Table = {
    "another signer": (
        lambda: checking(PARTS, FOREIGN_SIGNER),
        SignatureInvalid(
            "The message is signed by serial number ab of CN=Signer, not by the trusted "
            "certificate of CN=Foreigner with serial number cd; fetch the CA certificates anew if "
            "the CA has changed them."
        ),
    ),
    "a weak digest": (
        lambda: checking(PARTS, digest=DigestAlgorithm.SHA512),
        WeakAlgorithm(
            "The message is signed with SHA256, but the caller demands SHA512 or better; lower "
            "minimum_digest to accept it.",
            algorithm="SHA256",
            argument="minimum_digest",
        ),
    ),
    "a contentType that is not that of the content": (
        lambda: checking(
            replace(
                PARTS,
                attributes=(tlv.attribute(tlv.CONTENT_TYPE, tlv.oid(tlv.SIGNED_DATA)), DIGEST),
            )
        ),
        SignatureInvalid(
            "The signed contentType 1.2.840.113549.1.7.2 is not that of the content, "
            "1.2.840.113549.1.7.1; the message has been altered."
        ),
    ),
    "another content": (
        lambda: checking(replace(PARTS, attributes=(CONTENT_TYPE, DIGEST), content=b"other")),
        SignatureInvalid(
            "The messageDigest does not fit the content; the message has been altered or cut."
        ),
    ),
    "two digests": (
        lambda: checking(replace(PARTS, signature_identifier=pss_identifier("sha512"))),
        SignatureInvalid(
            "The message is digested with SHA256 but signed with SHA512; both have to be the same "
            "(RFC 8933)."
        ),
    ),
    "a scheme for another kind of key": (
        lambda: checking(replace(PARTS, signature_identifier=tlv.algorithm(tlv.ECDSA_WITH_SHA256))),
        SignatureInvalid(
            "The message is signed with ECDSA_SHA256, which is not for the kind of key that "
            "CN=Signer has."
        ),
    ),
    "a cmsAlgorithmProtection that does not fit": (
        lambda: checking(replace(PARTS, extra_attributes=(protected(1),))),
        SignatureInvalid(
            "The algorithms do not fit the signed attribute cmsAlgorithmProtection; the message "
            "has been altered."
        ),
    ),
    "a cmsAlgorithmProtection that is none": (
        lambda: checking(replace(PARTS, extra_attributes=(protected(2),))),
        DecodeError(
            "Tag 0xa2 stands where the signature algorithm (0xa1) is required (at byte 11).",
            offset=11,
        ),
    ),
    "a key of another kind": (
        sign_with_ed25519,
        KeyCapabilityError(
            "The key is neither RSA nor EC; SCEP knows no other kinds.", argument="identity"
        ),
    ),
    "content of another type": (
        lambda: parse_signed_data(
            replace(PARTS, content_type="1.2.3").dump(), content_types=(tlv.DATA, tlv.SIGNED_DATA)
        ),
        MessageError(
            "The signed content is of type 1.2.3, but SCEP signs 1.2.840.113549.1.7.1 or "
            "1.2.840.113549.1.7.2.",
            reference="RFC 8894 section 3.2",
        ),
    ),
    "two signers": (
        lambda: reading(replace(PARTS, signer_infos=PARTS.signer_info() * 2)),
        MessageError(
            "The message has 2 signers; a SCEP message has exactly one.",
            reference="RFC 8894 section 3.1",
        ),
    ),
    "no signed attributes": (
        lambda: reading(replace(PARTS, attributes_field=b"")),
        MissingAttribute(
            "The message is signed without signed attributes, which SCEP demands.",
            attribute="signedAttrs",
            reference="RFC 8894 section 3.2",
        ),
    ),
    "too many signers": (
        lambda: reading(replace(PARTS, signer_infos=PARTS.signer_info() * 2), Limits(recipients=1)),
        LimitExceeded(
            f"There are too many SignerInfos, but Limits.recipients allows 1; {RAISE_IT}",
            limit="recipients",
            value=2,
        ),
    ),
    "too many certificates": (
        lambda: parse_degenerate(degenerate([tlv.seq()] * 2), limits=Limits(certificates=1)),
        LimitExceeded(
            "There are too many certificates or CRLs, but Limits.certificates allows 1; "
            f"{RAISE_IT}",
            limit="certificates",
            value=2,
        ),
    ),
    "another kind of message": (
        lambda: reading(replace(PARTS, outer_type=tlv.ENVELOPED_DATA)),
        DecodeError(
            "The content type 1.2.840.113549.1.7.3 stands where signedData is required "
            "(at byte 15).",
            offset=15,
        ),
    ),
    "no content": (
        lambda: parse_signed_data(part(1, becomes=tlv.null())),
        DecodeError(
            "Tag 0x05 stands where the content (0xa0) is required (at byte 13).", offset=13
        ),
    ),
    "no digest algorithms": (
        lambda: parse_degenerate(EMPTY_BAG.with_at((1, 0, 1), tlv.parse(tlv.null())).dump()),
        DecodeError(
            "Tag 0x05 stands where the digest algorithms (0x31) is required (at byte 20).",
            offset=20,
        ),
    ),
    "no SignerInfos": (
        lambda: parse_degenerate(EMPTY_BAG.with_at((1, 0, 3), tlv.parse(tlv.null())).dump()),
        DecodeError(
            "Tag 0x05 stands where the SignerInfos (0x31) is required (at byte 35).", offset=35
        ),
    ),
    "no digest algorithm": (
        lambda: parse_signed_data(signer_info(2)),
        DecodeError(
            "Tag 0x05 stands where the digest algorithm (0x30) is required (at byte 9).",
            offset=9,
        ),
    ),
    "no signature algorithm": (
        lambda: parse_signed_data(signer_info(4)),
        DecodeError(
            "Tag 0x05 stands where the signature algorithm (0x30) is required (at byte 17).",
            offset=17,
        ),
    ),
    "an attribute with a name is missing": (
        lambda: checking(replace(PARTS, attributes=(CONTENT_TYPE,))),
        MissingAttribute(
            "The message lacks the signed attribute messageDigest; the peer does not follow "
            "RFC 8894.",
            attribute="messageDigest",
            reference="RFC 8894 section 3.2.1",
        ),
    ),
    "an attribute occurs twice": (
        lambda: checking(replace(PARTS, attributes=(CONTENT_TYPE, CONTENT_TYPE, DIGEST))),
        DuplicateAttribute(
            "The signed attribute contentType has 2 values or occurrences; it must have one.",
            attribute="contentType",
            reference="RFC 5652 section 11",
        ),
    ),
    "an attribute has three values": (
        lambda: checking(
            replace(PARTS, extra_attributes=(tlv.attribute(PROTECTION, *[tlv.null()] * 3),))
        ),
        DuplicateAttribute(
            "The signed attribute cmsAlgorithmProtection has 3 values or occurrences; it must "
            "have one.",
            attribute="cmsAlgorithmProtection",
            reference="RFC 5652 section 11",
        ),
    ),
    "an attribute has no set of values": (
        lambda: checking(replace(PARTS, attributes=(tlv.seq(tlv.oid("1.2.3"), tlv.null()),))),
        DecodeError("Tag 0x05 stands where a SET (0x31) is required (at byte 6).", offset=6),
    ),
    "too many attributes": (
        lambda: checking(PARTS, limits=Limits(attributes=1)),
        LimitExceeded(
            f"There are 2 signed attributes, but Limits.attributes allows 1; {RAISE_IT}",
            limit="attributes",
            value=2,
        ),
    ),
}


def protected(number: int) -> bytes:
    algorithms = tlv.seq(tlv.algorithm(tlv.SHA1), tlv.explicit(number, tlv.oid(tlv.RSA_ENCRYPTION)))
    return tlv.attribute(PROTECTION, algorithms)


def signer_info(position: int) -> bytes:
    """Return a short SignedData, and in its SignerInfo a NULL in this place."""
    fields = [
        tlv.integer(1),
        tlv.implicit(0, b"id"),
        tlv.seq(tlv.oid("1.2.3")),
        tlv.explicit(0),
        tlv.seq(),
        tlv.octets(b""),
    ]
    fields[position] = tlv.null()
    signed_data = EMPTY_BAG.with_at((1, 0, 3), tlv.parse(tlv.unsorted_set(tlv.seq(*fields))))
    return signed_data.dump()


@pytest.mark.parametrize("name", SIGNED)
def test_signed_data(name: str) -> None:
    compare(SIGNED, name)


# -------------------------------------------------------------------------------------- envelopes

AES128 = ContentEncryptionAlgorithm.AES128_CBC
OURS = certify("CN=Ours", key=keys.rsa(1), serial_number=0xA1)
ALSO_OURS = certify("CN=Also ours", key=keys.rsa(2), serial_number=0xA2)
THEIRS = certify("CN=Theirs", key=keys.rsa(3), serial_number=0xB1)
ALSO_THEIRS = certify("CN=Also theirs", key=keys.rsa(4), serial_number=0xB2)
ENVELOPE = Envelope(recipient=OURS.certificate, content=b"content")
CIPHER = tlv.algorithm(tlv.AES128_CBC, tlv.octets(bytes(16)))
CIPHERTEXT = tlv.implicit(0, bytes(16))
PASSWORD_RECIPIENT = tlv.explicit(3, tlv.integer(0))


def opening(envelope: Envelope | bytes) -> object:
    octets = envelope if isinstance(envelope, bytes) else envelope.encode()
    return parse_enveloped_data(octets).decrypt((OURS, ALSO_OURS), provider=keys.provider())


def addressed_to(*recipients: bytes) -> bytes:
    return tlv.enveloped(*recipients, cipher=CIPHER, content=CIPHERTEXT)


def without_envelope() -> EnvelopedData:
    return parse_pki_message(request().encode()).verify_possession().envelope()


OAEP_SHA512 = tlv.algorithm(
    tlv.RSAES_OAEP,
    tlv.seq(
        tlv.explicit(0, tlv.algorithm(tlv.SHA512, tlv.null())),
        tlv.explicit(1, tlv.algorithm(tlv.MGF1, tlv.algorithm(tlv.SHA512, tlv.null()))),
    ),
)

ENVELOPED: Table = {
    "a key encryption that the key does not have": (
        lambda: parse_enveloped_data(
            replace(ENVELOPE, recipient=SIGNER.certificate).encode()
        ).decrypt(
            [Identity(certificate=SIGNER.certificate, key=keys.OddKey(SIGNER.key.public_key))],
            provider=keys.provider(),
        ),
        UnsupportedError(
            "The envelope's content key is encrypted with RSA_PKCS1_V15, which this key or its "
            "provider cannot decrypt; configure the peer for RSA PKCS #1 v1.5, or use another "
            "provider.",
            algorithm="RSA_PKCS1_V15",
        ),
    ),
    "encrypted to others": (
        lambda: opening(
            replace(
                ENVELOPE,
                recipient=THEIRS.certificate,
                recipients_after=(
                    replace(ENVELOPE, recipient=ALSO_THEIRS.certificate).encode_recipient(),
                ),
            )
        ),
        MessageError(
            "The envelope is encrypted to serial number b1 of CN=Theirs, serial number b2 of "
            "CN=Also theirs, but this side is a1, a2 (serial numbers); the peer uses another "
            "certificate than the one it was given.",
            reference="RFC 8894 section 2.3",
        ),
    ),
    "encrypted to nobody": (
        lambda: opening(addressed_to()),
        MessageError(
            "The envelope is encrypted to nobody, but this side is a1, a2 (serial numbers); the "
            "peer uses another certificate than the one it was given.",
            reference="RFC 8894 section 2.3",
        ),
    ),
    "an IV of another size": (
        lambda: opening(replace(ENVELOPE, iv=bytes(8))),
        DecodeError("The IV of the envelope has 8 bytes instead of 16."),
    ),
    "a password, and none at hand": (
        lambda: opening(addressed_to(PASSWORD_RECIPIENT)),
        UnsupportedError(
            "The envelope is for a recipient of kind PASSWORD, and there is no password to open "
            "it with; use RSA keys on both sides.",
            algorithm="PASSWORD",
        ),
    ),
    "key agreement": (
        lambda: opening(addressed_to(tlv.explicit(1, tlv.integer(3)))),
        UnsupportedError(
            "The envelope is for a recipient of kind KEY_AGREEMENT, which is not supported; use "
            "RSA keys on both sides.",
            algorithm="KEY_AGREEMENT",
        ),
    ),
    "single DES is to be sent": (
        lambda: envelop(
            b"",
            recipient=OURS.certificate,
            content_encryption_algorithm=ContentEncryptionAlgorithm.DES_CBC,
            provider=keys.provider(),
        ),
        WeakAlgorithm(
            "Single DES is never sent (RFC 8894 section 2.9); use AES128_CBC.", algorithm="DES_CBC"
        ),
    ),
    "a cipher that is not read": (
        lambda: opening(replace(ENVELOPE, cipher=ContentEncryptionAlgorithm.DES_CBC)),
        WeakAlgorithm(
            "The content is encrypted with DES_CBC, which is not read by default; configure the "
            "peer for AES, or allow it with "
            "ReplyRules(read_legacy_ciphers={ContentEncryptionAlgorithm.DES_CBC}).",
            algorithm="DES_CBC",
            argument="read_legacy_ciphers",
        ),
    ),
    "another type inside": (
        lambda: opening(replace(ENVELOPE, inner_type="1.2.3")),
        MessageError(
            "The encrypted content is of type 1.2.3, but SCEP encrypts id-data.",
            reference="RFC 8894 section 3.2.2",
        ),
    ),
    "another kind of message": (
        lambda: opening(
            tlv.enveloped(cipher=CIPHER, content=CIPHERTEXT, outer_type=tlv.SIGNED_DATA)
        ),
        DecodeError(
            "The content type 1.2.840.113549.1.7.2 stands where envelopedData is required "
            "(at byte 13).",
            offset=13,
        ),
    ),
    "no content in the message": (
        lambda: parse_enveloped_data(tlv.seq(tlv.oid(tlv.ENVELOPED_DATA), tlv.null())),
        DecodeError(
            "Tag 0x05 stands where the content (0xa0) is required (at byte 13).", offset=13
        ),
    ),
    "no RecipientInfos": (
        lambda: parse_enveloped_data(
            tlv.content_info(tlv.ENVELOPED_DATA, tlv.seq(tlv.integer(0), tlv.null()))
        ),
        DecodeError(
            "Tag 0x05 stands where the RecipientInfos (0x31) is required (at byte 20).", offset=20
        ),
    ),
    "no ciphertext": (
        lambda: parse_enveloped_data(tlv.enveloped(cipher=tlv.algorithm("1.2.3"), content=b"")),
        DecodeError("The envelope has no encrypted content (at byte 41).", offset=41),
    ),
    "no key encryption": (
        lambda: parse_enveloped_data(
            addressed_to(tlv.seq(tlv.integer(0), tlv.implicit(0, b"id"), tlv.null()))
        ),
        DecodeError(
            "Tag 0x05 stands where the key encryption algorithm (0x30) is required (at byte 31).",
            offset=31,
        ),
    ),
    "too many recipients": (
        lambda: parse_enveloped_data(
            addressed_to(PASSWORD_RECIPIENT, PASSWORD_RECIPIENT), limits=Limits(recipients=1)
        ),
        LimitExceeded(
            f"There are 2 recipients, but Limits.recipients allows 1; {RAISE_IT}",
            limit="recipients",
            value=2,
        ),
    ),
    "an unknown key encryption": (
        lambda: parse_key_encryption(tlv.algorithm("1.2.3")),
        UnsupportedError(
            "The key encryption algorithm 1.2.3 is not one that SCEP uses; configure the peer for "
            "SHA-256, AES-128-CBC and RSA.",
            algorithm="1.2.3",
        ),
    ),
    "OAEP with a label": (
        lambda: parse_key_encryption(
            tlv.algorithm(
                tlv.RSAES_OAEP,
                tlv.seq(tlv.explicit(2, tlv.algorithm("1.2.840.113549.1.1.9", tlv.octets(b"x")))),
            )
        ),
        UnsupportedError(
            "The key encryption (with these OAEP parameters) algorithm 1.2.840.113549.1.1.7 is not "
            "one that SCEP uses; configure the peer for SHA-256, AES-128-CBC and RSA.",
            algorithm="1.2.840.113549.1.1.7",
        ),
    ),
}


@pytest.mark.parametrize("name", ENVELOPED)
def test_enveloped_data(name: str) -> None:
    compare(ENVELOPED, name)


# -------------------------------------------------------------------------------------- passwords

GOOD = PasswordRecipientInfo()
INNER_CIPHER = tlv.algorithm(tlv.AES128_CBC, tlv.octets(bytes(16)))


def unlocking(recipient: PasswordRecipientInfo, limits: Limits | None = None) -> object:
    return PasswordRecipient(octets=recipient.encode(), _limits=limits or Limits()).content_key(
        [PASSWORD], size=16, ciphers=STANDARD_CIPHERS, provider=keys.provider()
    )


PASSWORDS: Table = {
    "no password to encrypt with": (
        lambda: password_octets(None, recipient="CN=x"),
        KeyCapabilityError(
            "The key of CN=x cannot decrypt, and there is no challenge password to encrypt with "
            "instead: a certification request has to have one, a poll has to be given that of its "
            "request, and queries need RSA keys on both sides.",
            argument="challenge_password",
        ),
    ),
    "a short password": (
        lambda: password_octets("1234", recipient="CN=x"),
        KeyCapabilityError(
            "The key of CN=x cannot decrypt, so the challenge password has to encrypt, and whoever "
            "sees the message can try passwords on it; use one of 16 random characters or more "
            "instead of 4, or an RSA key.",
            argument="challenge_password",
        ),
    ),
    "a password that is no text": (
        lambda: password_octets("\ud800" * 16, recipient="CN=x"),
        KeyCapabilityError(
            "The challenge password has a lone surrogate, which UTF-8 lacks, so nothing can be "
            "encrypted with it.",
            argument="challenge_password",
        ),
    ),
    "a cipher of the content key that is not read": (
        lambda: unlocking(
            replace(
                GOOD,
                encryption=tlv.algorithm(
                    PWRI_KEK,
                    tlv.algorithm(
                        ContentEncryptionAlgorithm.DES_EDE3_CBC.oid, tlv.octets(bytes(8))
                    ),
                ),
            )
        ),
        WeakAlgorithm(
            "The content key is encrypted with DES_EDE3_CBC, which is not read by default; "
            "configure the peer for AES, or allow it with "
            "ReplyRules(read_legacy_ciphers={ContentEncryptionAlgorithm.DES_EDE3_CBC}).",
            algorithm="DES_EDE3_CBC",
            argument="read_legacy_ciphers",
        ),
    ),
    "no key derivation": (
        lambda: unlocking(replace(GOOD, derivation=b"")),
        DecodeError(
            "The password recipient does not say how its key is derived (at byte 5).", offset=5
        ),
    ),
    "an unknown key derivation": (
        lambda: unlocking(replace(GOOD, derivation=tlv.explicit(0, tlv.oid("1.2.3")))),
        UnsupportedError(
            "The key derivation algorithm 1.2.3 is not one that SCEP uses; configure the peer for "
            "SHA-256, AES-128-CBC and RSA.",
            algorithm="1.2.3",
        ),
    ),
    "an unknown hash of the key derivation": (
        lambda: unlocking(replace(GOOD, prf=tlv.algorithm("1.2.3"))),
        UnsupportedError(
            "The key derivation algorithm 1.2.3 is not one that SCEP uses; configure the peer for "
            "SHA-256, AES-128-CBC and RSA.",
            algorithm="1.2.3",
        ),
    ),
    "too many iterations": (
        lambda: unlocking(GOOD, Limits(message_kdf_iterations=9)),
        LimitExceeded(
            "The message asks for 10 iterations, but Limits.message_kdf_iterations allows 9; "
            f"{RAISE_IT}",
            limit="message_kdf_iterations",
            value=10,
        ),
    ),
    "no iterations": (
        lambda: unlocking(replace(GOOD, iterations=0, counted=1)),
        DecodeError("The message asks for less than one iteration."),
    ),
    "an unknown encryption of the content key": (
        lambda: unlocking(replace(GOOD, encryption=INNER_CIPHER)),
        UnsupportedError(
            f"The key encryption algorithm {tlv.AES128_CBC} is not one that SCEP uses; configure "
            "the peer for SHA-256, AES-128-CBC and RSA.",
            algorithm=tlv.AES128_CBC,
        ),
    ),
    "a content key under single DES": (
        lambda: unlocking(
            replace(
                GOOD,
                encryption=tlv.algorithm(
                    PWRI_KEK,
                    tlv.algorithm(ContentEncryptionAlgorithm.DES_CBC.oid, tlv.octets(bytes(8))),
                ),
            )
        ),
        WeakAlgorithm(
            "The content key is encrypted with single DES, which is never accepted; configure the "
            "peer for AES.",
            algorithm="DES_CBC",
        ),
    ),
    "an IV of another size": (
        lambda: unlocking(
            replace(
                GOOD,
                encryption=tlv.algorithm(
                    PWRI_KEK, tlv.algorithm(tlv.AES128_CBC, tlv.octets(bytes(15)))
                ),
            )
        ),
        DecodeError("The IV of the content key has 15 bytes instead of 16."),
    ),
}


@pytest.mark.parametrize("name", PASSWORDS)
def test_passwords(name: str) -> None:
    compare(PASSWORDS, name)


# ------------------------------------------------------------------------------------ pkiMessages


def received(message: SignedMessage, limits: Limits | None = None) -> VerifiedMessage:
    parsed = parse_pki_message(message.encode(), limits=limits or Limits())
    return parsed.verify([message.signer.certificate])


NUMBER = tlv.integer(1)
FAILURE = cert_rep(pki_status="2", fail_info="1")

MESSAGES: Table = {
    "a transaction_id that cannot be sent": (
        lambda: encode_transaction_id("a_b"),
        UsageError(
            "The transaction_id 'a_b' is empty or has characters that PrintableString lacks; use "
            "letters and digits.",
            argument="transaction_id",
        ),
    ),
    "what was inside is pickled": (
        lambda: pickle.dumps(
            MessageData(octets=b"", content_encryption_algorithm=AES128, recipient=None)
        ),
        UsageError(
            "What was inside an envelope may hold a challenge password and is not pickled; store "
            "its octets where secrets belong."
        ),
    ),
    "no envelope": (
        without_envelope,
        MessageError(
            "The message has no content, but its type or status demands an envelope.",
            reference="RFC 8894 section 3.2",
        ),
    ),
    "nobody to verify with": (
        lambda: parse_pki_message(request().encode()).verify([]),
        UsageError("There is no trusted certificate to verify with.", argument="signers"),
    ),
    "the signer is not enclosed": (
        lambda: parse_pki_message(
            replace(request(signer=SIGNER), certificates=()).encode()
        ).verify_possession(),
        SignatureInvalid(
            "The certificate that signed (serial number ab of CN=Signer) is not in the message; a "
            "client has to enclose it."
        ),
    ),
    "an empty transactionID": (
        lambda: received(request(transaction_id="")),
        MessageError(
            "The transactionID is empty, so nothing says which transaction is meant.",
            reference="RFC 8894 section 3.2.1.1",
        ),
    ),
    "a long transactionID": (
        lambda: received(request(transaction_id="1234"), Limits(transaction_id_size=3)),
        LimitExceeded(
            f"The transactionID has 4 bytes, but Limits.transaction_id_size allows 3; {RAISE_IT}",
            limit="transaction_id_size",
            value=4,
        ),
    ),
    "an unknown messageType": (
        lambda: received(request(message_type="99")),
        UnexpectedMessageType(
            "The messageType is '99', which RFC 8894 does not have.", actual="99"
        ),
    ),
    "an unknown pkiStatus": (
        lambda: received(cert_rep(pki_status="1")),
        MessageError(
            "The pkiStatus is '1'; it can only be 0, 2 or 3.",
            reference="RFC 8894 section 3.2.1.3",
        ),
    ),
    "a failInfo that is no number": (
        lambda: received(cert_rep(pki_status="2", fail_info="bad")),
        MessageError(
            "The failInfo is 'bad'; it has to be a decimal number.",
            reference="RFC 8894 section 3.2.1.4",
        ),
    ),
    **{
        f"a {name} that is no text": (
            functools.partial(received, FAILURE.having(name, NUMBER)),
            MessageError(
                f"The attribute {name} is not a text string.", reference="RFC 8894 section 3.2.1"
            ),
        )
        for name in ("transactionID", "messageType", "pkiStatus", "failInfo", "failInfoText")
    },
    **{
        f"a {name} that is none": (
            functools.partial(received, FAILURE.having(name, NUMBER)),
            MessageError(
                f"The attribute {name} is not a non-empty OCTET STRING.",
                reference="RFC 8894 section 3.2.1.5",
            ),
        )
        for name in ("senderNonce", "recipientNonce")
    },
    **{
        f"a {name} that is too long": (
            functools.partial(
                received, FAILURE.having(name, tlv.octets(bytes(17))), Limits(nonce_size=16)
            ),
            LimitExceeded(
                f"The {name} has 17 bytes, but Limits.nonce_size allows 16; {RAISE_IT}",
                limit="nonce_size",
                value=17,
            ),
        )
        for name in ("senderNonce", "recipientNonce")
    },
}


@pytest.mark.parametrize("name", MESSAGES)
def test_pki_messages(name: str) -> None:
    compare(MESSAGES, name)


# ----------------------------------------------------------------------------------- transactions


def transaction() -> Transaction:
    return exchanges.enrolment(transaction_id="AB12").transaction


TRANSACTIONS: Table = {
    "a saved transaction that is too long": (
        lambda: Transaction.from_json("12345", limits=Limits(json_size=4)),
        LimitExceeded(
            f"The saved transaction has 5 characters, but Limits.json_size allows 4; {RAISE_IT}",
            limit="json_size",
            value=5,
        ),
    ),
    "something else than a saved transaction": (
        lambda: Transaction.from_json("{}"),
        DecodeError("The text is not a saved transaction of version 1; start a new enrolment."),
    ),
    "success demanded of a failure": (
        lambda: require_success(
            Failure(
                fail_info=None,
                fail_info_value=17,
                fail_info_text="No.",
                hresult=None,
                explanation="Ask the operator.",
                transaction=transaction(),
            )
        ),
        RequestRefused("Ask the operator.", fail_info=17, fail_info_text="No."),
    ),
    "success demanded of what is pending": (
        lambda: require_success(Pending(transaction=transaction())),
        RequestPending(
            "The request AB12 awaits approval; poll for it later.", transaction_id="AB12"
        ),
    ),
}


@pytest.mark.parametrize("name", TRANSACTIONS)
def test_transactions(name: str) -> None:
    compare(TRANSACTIONS, name)
