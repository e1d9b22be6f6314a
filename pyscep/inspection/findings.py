"""What :mod:`pyscep.inspection` can find fault with: one list, with checklist IDs and levels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pyscep.errors import (
    DecodeError,
    DuplicateAttribute,
    LimitExceeded,
    ScepError,
    UnsupportedError,
    WeakAlgorithm,
)


class Level(Enum):
    """How much a finding weighs."""

    MUST = "MUST"
    """It breaks what RFC 8894, or a standard below it, demands."""
    SHOULD = "SHOULD"
    """It goes against what RFC 8894 recommends."""
    FIELD = "FIELD"
    """It is allowed, or left open, and some deployed software cannot read it."""
    ADVICE = "ADVICE"
    """It is allowed, and better done otherwise."""
    NOTE = "NOTE"
    """Nothing is wrong; it helps to know it."""


class Departure(Enum):
    """Everything that can be found: checklist ID, level, and what it is about."""

    # How it came: GET, base64, PEM.
    GET_NOT_ESCAPED = ("T-05", Level.MUST, "base64 in a GET URL that is not percent-escaped")
    GET_URL_SAFE = ("T-06", Level.MUST, "the URL-safe alphabet of base64 in a GET URL")
    GET_LINE_BREAKS = ("T-06", Level.MUST, "line breaks in the base64 of a GET URL")
    GET_WITHOUT_PADDING = ("T-05", Level.MUST, "base64 without its padding in a GET URL")
    GET_OPERATION = ("T-13", Level.ADVICE, "an operation in a GET URL that is missing or unknown")
    GET_IDENTIFIER = ("T-32", Level.FIELD, "a CA identifier, which RFC 8894 does not have")

    # The encoding.
    BER = ("M-05", Level.FIELD, "BER where DER would do")
    TRAILING_BYTES = ("M-42", Level.ADVICE, "bytes after the end")
    UNREADABLE = ("M-01", Level.MUST, "a structure that cannot be read to its end")
    TOO_MUCH = ("S-19", Level.ADVICE, "more than the limits allow")

    # SignedData and SignerInfo.
    CONTENT_TYPE = ("M-01", Level.MUST, "signed content of another type than id-data")
    NOT_AN_ENVELOPE = ("M-02", Level.MUST, "signed content that is no envelope")
    NO_ENVELOPE = ("M-02", Level.MUST, "no envelope in a message that needs one")
    UNENVELOPED = ("E-06", Level.SHOULD, "a request in clear, its challenge password included")
    EMPTY_CONTENT = ("M-03", Level.MUST, "an empty content instead of none")
    VERSION = ("M-06", Level.ADVICE, "an unusual version number of SignedData or SignerInfo")
    SIGNER_COUNT = ("M-07", Level.ADVICE, "none or several signers")
    NO_SIGNED_ATTRIBUTES = ("M-08", Level.MUST, "a signature without signed attributes")
    NO_CONTENT_TYPE = ("M-09", Level.MUST, "the attribute contentType missing or wrong")
    MESSAGE_DIGEST = ("M-09", Level.MUST, "the attribute messageDigest missing or wrong")
    UNSORTED = ("M-10", Level.MUST, "signed attributes that are not sorted as DER demands")
    SIGNATURE = ("M-10", Level.MUST, "a signature that does not verify")
    REPEATED = ("M-11", Level.ADVICE, "an attribute twice, or without exactly one value")
    MD5 = ("S-04", Level.MUST, "MD5 or another forbidden algorithm")
    SHA1 = ("S-18", Level.ADVICE, "SHA-1")
    UNKNOWN_ALGORITHM = ("S-05", Level.ADVICE, "an algorithm that SCEP does not use")
    TWO_HASHES = ("M-37", Level.ADVICE, "algorithms that do not fit together")
    PSS = ("M-43", Level.FIELD, "a signature by RSASSA-PSS")
    SIGNING_TIME = ("M-39", Level.FIELD, "a signingTime outside the signer's validity")
    SIGNER_NOT_ENCLOSED = ("M-31", Level.MUST, "a request without its signer's certificate")
    REPLY_WITHOUT_CERTIFICATES = ("M-32", Level.NOTE, "a reply without its signer's certificate")
    SIGNER_NOT_FIRST = ("M-33", Level.FIELD, "the signer's certificate not in the first place")
    LOOK_ALIKE = ("M-34", Level.ADVICE, "an enclosed certificate that only names the signer's")
    OTHER_SIGNER = ("A-12", Level.ADVICE, "a signature by another certificate than the given ones")
    POSSESSION = ("S-03", Level.NOTE, "a signature checked with what the sender enclosed")
    OTHER_ATTRIBUTES = ("M-40", Level.NOTE, "attributes that SCEP does not have")

    # The attributes of SCEP.
    NO_TRANSACTION_ID = ("M-12", Level.MUST, "no transactionID, or an empty one")
    NO_MESSAGE_TYPE = ("M-12", Level.MUST, "no messageType")
    NO_SENDER_NONCE = ("M-12", Level.MUST, "no senderNonce")
    NO_PKI_STATUS = ("A-11", Level.MUST, "a CertRep without pkiStatus")
    NO_RECIPIENT_NONCE = ("M-13", Level.MUST, "a CertRep without recipientNonce")
    NO_FAIL_INFO = ("A-05", Level.MUST, "a FAILURE without failInfo")
    FAIL_INFO_WITHOUT_FAILURE = ("M-13", Level.MUST, "failInfo in what is no FAILURE")
    REPLY_ATTRIBUTE = ("M-30", Level.ADVICE, "an attribute of replies in a request")
    STRING_TYPE = ("M-14", Level.MUST, "an attribute of another ASN.1 type")
    FAIL_INFO_TEXT_OID = ("M-14", Level.MUST, "failInfoText under another OID")
    NOT_DECIMAL = ("M-15", Level.MUST, "a number that is not plain decimal digits")
    NOT_PRINTABLE = ("M-16", Level.ADVICE, "characters that PrintableString does not have")
    TRANSACTION_ID_SIZE = ("M-20", Level.ADVICE, "a transactionID of enormous length")
    TRANSACTION_ID_FROM_KEY = ("M-19", Level.ADVICE, "a transactionID made of the public key")
    MESSAGE_TYPE = ("M-21", Level.MUST, "a messageType that RFC 8894 does not have")
    PKI_STATUS = ("M-22", Level.MUST, "a pkiStatus that RFC 8894 does not have")
    FAIL_INFO = ("M-23", Level.MUST, "a failInfo that RFC 8894 does not have")
    NONCE_SIZE = ("M-25", Level.MUST, "a senderNonce that has not 16 bytes")
    RECIPIENT_NONCE_SIZE = ("M-26", Level.FIELD, "a recipientNonce that has not 16 bytes")
    NONCE_COPIED = ("M-29", Level.MUST, "the client's nonce as senderNonce of the reply")

    # Beside the request that the caller gives.
    NOT_A_REPLY = ("M-41", Level.MUST, "something else than a CertRep as answer to a request")
    OTHER_TRANSACTION = ("X-12", Level.MUST, "a reply with another transactionID than its request")
    OTHER_NONCE = ("M-26", Level.MUST, "a reply without the nonce of its request")
    OTHER_RECIPIENT = ("E-20", Level.MUST, "a reply that the sender of its request cannot open")

    # The envelope.
    INNER_TYPE = ("E-01", Level.MUST, "encrypted content of another type than id-data")
    PAYLOAD = ("E-02", Level.MUST, "encrypted content that does not fit the messageType")
    PASSWORD_RECIPIENT = ("E-04", Level.NOTE, "an envelope that a password opens")
    PASSWORD_FORM = ("E-23", Level.MUST, "a password recipient without PBKDF2 and PWRI-KEK")
    KEY_DERIVATION = ("E-25", Level.ADVICE, "a key derivation that takes too long, or is unknown")
    RECIPIENT_KIND = ("E-28", Level.ADVICE, "a kind of recipient that SCEP does not have")
    OAEP = ("E-09", Level.FIELD, "RSAES-OAEP")
    IV = ("E-10", Level.MUST, "an IV of the wrong size")
    TRIPLE_DES = ("E-11", Level.NOTE, "triple DES, which is legacy")
    SINGLE_DES = ("E-12", Level.MUST, "single DES, or another forbidden cipher")
    OTHER_AES = ("E-13", Level.FIELD, "AES with 192 or 256 bits")
    UNKNOWN_CIPHER = ("E-14", Level.ADVICE, "a cipher that SCEP does not have, such as AES-GCM")
    ENVELOPE_VERSION = ("E-17", Level.ADVICE, "an unusual version number of EnvelopedData")
    RECIPIENT_COUNT = ("E-20", Level.ADVICE, "none or several recipients")
    RECIPIENT_IS_SENDER = ("E-20", Level.ADVICE, "an envelope that only its sender can open")
    IN_PIECES = ("E-22", Level.FIELD, "encryptedContent in pieces")
    OTHER_KEY = ("A-18", Level.NOTE, "an envelope that nothing of what is given opens")
    ENVELOPE_IN_FAILURE = ("A-05", Level.MUST, "an envelope in a FAILURE")
    ENVELOPE_IN_PENDING = ("A-06", Level.MUST, "an envelope in a PENDING")

    # What is inside.
    NO_CERTIFICATE = ("A-01", Level.MUST, "a SUCCESS without certificate and CRL")
    CERTIFICATES_WITH_CRL = ("A-07", Level.MUST, "certificates beside a CRL")
    LEAF_NOT_FIRST = ("A-03", Level.FIELD, "an issued certificate that is not the first")
    BAG_SIGNED = ("D-01", Level.MUST, "a bag of certificates with signers or content")
    BAG_FORM = ("D-03", Level.ADVICE, "a bag of certificates of unusual version or with hashes")
    BAG_OTHER = ("D-06", Level.NOTE, "something else than certificates in a bag")
    BAG_SINGLE = ("G-06", Level.FIELD, "a bag with one certificate")
    BAG_EMPTY = ("G-22", Level.FIELD, "a bag with nothing in it")
    BAG_ORDER = ("G-07", Level.ADVICE, "an issuer before what it has issued")
    CA_KEY_USAGE = ("G-11", Level.MUST, "a CA alone that may not sign or receive messages")
    NO_RSA_RECIPIENT = ("G-13", Level.FIELD, "no RSA certificate to encrypt to")
    STRANGER = ("G-17", Level.ADVICE, "certificates that do not belong together")
    NEXT_CA_FLAT = ("N-04", Level.MUST, "next CA certificates outside what is signed")
    NEXT_CA_SIGNATURE = ("N-02", Level.MUST, "next CA certificates not signed by the current CA")

    # Certificates, requests, lists, keys.
    MALFORMED = ("S-13", Level.ADVICE, "a certificate, request or CRL that cannot be read")
    KEY_SIZE = ("R-12", Level.FIELD, "an RSA key that many no longer accept")
    EXPIRED = ("G-14", Level.MUST, "a certificate outside its validity")
    CSR_SIGNATURE = ("R-04", Level.ADVICE, "a request that does not prove possession of its key")
    CSR_REPEATED = ("H-14", Level.ADVICE, "a challenge password or extension request twice")
    CSR_VERSION = ("R-08", Level.MUST, "a request of another version, or without attributes")
    CSR_EXTENSIONS = ("R-09", Level.FIELD, "an extension request under a vendor's OID")
    CSR_CA = ("R-11", Level.ADVICE, "a request for a CA certificate")
    CSR_SUBJECT = ("R-18", Level.NOTE, "a request with an empty subject")
    CSR_IN_CLEAR = ("H-15", Level.NOTE, "a challenge password in clear")
    NO_CHALLENGE = ("H-01", Level.NOTE, "a first enrolment without challenge password")
    CHALLENGE_IN_RENEWAL = ("H-02", Level.NOTE, "a challenge password in a RenewalReq")
    CHALLENGE_TYPE = ("H-06", Level.ADVICE, "a challenge password of an unusual string type")
    CSR_KEY = ("R-05", Level.SHOULD, "a self-signed signer with another key than its request")
    RENEWAL_SELF_SIGNED = ("R-07", Level.MUST, "a RenewalReq that a self-signed certificate signs")
    RENEWAL_BY_PKCS_REQ = ("C-28", Level.NOTE, "a PKCSReq that an issued certificate signs")
    SIGNER_USAGE = ("W-02", Level.MUST, "a self-signed signer whose keyUsage lacks a bit")
    SIGNER_SUBJECT = ("W-03", Level.SHOULD, "a self-signed signer with another subject")
    SIGNER_CANNOT_DECRYPT = ("W-11", Level.ADVICE, "a signer that no reply can be encrypted to")

    # GetCACaps.
    CAPS_LINE_ENDS = ("C-05", Level.FIELD, "capabilities with CRLF")
    CAPS_CASE = ("C-06", Level.MUST, "a capability in another letter case")
    CAPS_SPACE = ("C-04", Level.ADVICE, "capabilities with blank lines or spaces")
    CAPS_EMPTY = ("C-15", Level.NOTE, "no capabilities at all")
    CAPS_UNKNOWN = ("C-24", Level.SHOULD, "an unregistered keyword without its owner's name")
    CAPS_OBSOLETE = ("C-30", Level.NOTE, "a keyword of the drafts, without effect")
    CAPS_NOT_STANDARD = ("C-13", Level.NOTE, "SCEPStandard missing")
    CAPS_PAGE = ("C-31", Level.ADVICE, "a web page in place of capabilities")

    @property
    def id(self) -> str:
        """The item of the conformance checklist."""
        return self.value[0]

    @property
    def level(self) -> Level:
        """How much it weighs."""
        return self.value[1]

    @property
    def about(self) -> str:
        """What it is about, in a few words."""
        return self.value[2]

    def found(self, text: str) -> Finding:
        """Return it as a finding.

        :param text: what was met, in a sentence.
        """
        return Finding(departure=self, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One departure from RFC 8894, or something worth knowing, where it was met."""

    departure: Departure
    """What it is."""
    text: str
    """A sentence or two, with what was met."""

    @property
    def id(self) -> str:
        """The item of the conformance checklist, such as ``M-12``."""
        return self.departure.id

    @property
    def level(self) -> Level:
        """How much it weighs."""
        return self.departure.level


STRICT = "Strict reading refuses it: "
"""How a finding begins that comes from an error of the library."""

# The first row that fits decides. Everything else that strict parsers refuse has a departure of its
# own above.
_BY_ERROR: tuple[tuple[type[ScepError], Departure], ...] = (
    (LimitExceeded, Departure.TOO_MUCH),
    (DecodeError, Departure.UNREADABLE),
    (DuplicateAttribute, Departure.REPEATED),
    (WeakAlgorithm, Departure.MD5),
    (UnsupportedError, Departure.UNKNOWN_ALGORITHM),
)


def refused(error: ScepError) -> tuple[Finding, ...]:
    """Return what a strict parser's error is as a finding, if it is one by itself."""
    for kind, departure in _BY_ERROR:
        if isinstance(error, kind):
            return (departure.found(f"{STRICT}{error}"),)
    return ()
