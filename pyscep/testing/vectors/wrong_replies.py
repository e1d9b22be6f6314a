"""Replies that are wrong: every fault of the test server that concerns one reply, and some more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pyscep.http_server import pki_operation_response
from pyscep.messages import CertRep, FailInfo, PkiStatus
from pyscep.testing.draft import Draft
from pyscep.testing.faults import Fault, OnDraft, OnReply, OnResponse
from pyscep.testing.vectors.facts import describe
from pyscep.testing.vectors.model import Expected, Rejection, Vector, accepted, rejected
from pyscep.testing.vectors.replies import USUAL, Server

_SUCCESS, _FAILURE, _PENDING = PkiStatus.SUCCESS, PkiStatus.FAILURE, PkiStatus.PENDING
_MISSING, _TWICE = Rejection.MISSING_ATTRIBUTE, Rejection.DUPLICATE_ATTRIBUTE
_TYPE, _RULE, _SIGNATURE = Rejection.MESSAGE_TYPE, Rejection.RULE, Rejection.SIGNATURE
_TRANSACTION, _NONCE = Rejection.TRANSACTION, Rejection.NONCE
_DECRYPTION, _CERTIFICATE, _HTTP = Rejection.DECRYPTION, Rejection.CERTIFICATE, Rejection.HTTP
_TWO_READ_TWO = "Each attribute occurs once, or two readers read two things."


def _issued(why: str, *checklist: str, allow: tuple[str, ...] = ()) -> Expected:
    return accepted(why, *checklist, status=_SUCCESS, certificate="client-old", allow=allow)


FAULTS = {
    Fault.MISSING_TRANSACTION_ID: rejected(
        _MISSING, "Without transactionID it may be for anybody.", "M-12"
    ),
    Fault.MISSING_MESSAGE_TYPE: rejected(_MISSING, "Only a CertRep is a reply.", "M-12", "A-11"),
    Fault.MISSING_PKI_STATUS: rejected(
        _MISSING, "Without pkiStatus it says nothing, least of all SUCCESS.", "A-11", "M-13"
    ),
    Fault.MISSING_RECIPIENT_NONCE: rejected(
        _MISSING, "Without recipientNonce it may be an old reply.", "M-27"
    ),
    Fault.MISSING_SENDER_NONCE: _issued("Some servers send no senderNonce.", "M-28"),
    Fault.MISSING_MESSAGE_DIGEST: rejected(
        _MISSING, "Without messageDigest the content is not signed.", "M-09"
    ),
    Fault.MISSING_CONTENT_TYPE: rejected(_MISSING, "CMS demands contentType.", "M-09"),
    Fault.MISSING_FAIL_INFO: accepted(
        "A FAILURE without reason is one all the same.", "A-08", status=_FAILURE
    ),
    Fault.DUPLICATE_TRANSACTION_ID: rejected(_TWICE, _TWO_READ_TWO, "M-11"),
    Fault.DUPLICATE_MESSAGE_TYPE: rejected(_TWICE, _TWO_READ_TWO, "M-11"),
    Fault.DUPLICATE_PKI_STATUS: rejected(_TWICE, _TWO_READ_TWO, "M-11"),
    Fault.DUPLICATE_RECIPIENT_NONCE: rejected(_TWICE, _TWO_READ_TWO, "M-11"),
    Fault.DUPLICATE_SENDER_NONCE: rejected(_TWICE, _TWO_READ_TWO, "M-11"),
    Fault.DUPLICATE_MESSAGE_DIGEST: rejected(_TWICE, _TWO_READ_TWO, "M-09", "M-11"),
    Fault.DUPLICATE_CONTENT_TYPE: rejected(_TWICE, _TWO_READ_TWO, "M-09", "M-11"),
    Fault.DUPLICATE_FAIL_INFO: rejected(_TWICE, _TWO_READ_TWO, "M-11"),
    Fault.TWO_VALUES_IN_PKI_STATUS: rejected(
        _TWICE, "Each attribute has one value, or two readers read two things.", "M-11"
    ),
    Fault.WRONG_TRANSACTION_ID: rejected(
        _TRANSACTION, "It is the answer in another transaction.", "M-18", "S-01"
    ),
    Fault.TRANSACTION_ID_PREFIX: rejected(
        _TRANSACTION, "The beginning of the transactionID is not the transactionID.", "M-18"
    ),
    Fault.EMPTY_TRANSACTION_ID: rejected(_RULE, "An empty transactionID names none.", "M-20"),
    Fault.WRONG_RECIPIENT_NONCE: rejected(
        _NONCE, "One bit of the recipientNonce differs.", "M-27", "S-08"
    ),
    Fault.TRUNCATED_RECIPIENT_NONCE: rejected(
        _NONCE, "Half of the nonce is not the nonce.", "M-27", "S-08"
    ),
    Fault.RECIPIENT_NONCE_AS_TEXT: rejected(_RULE, "A nonce is an OCTET STRING.", "M-14"),
    Fault.COPIED_SENDER_NONCE: _issued(
        "Some servers send the client's nonce as their own.", "M-28", "M-29"
    ),
    Fault.WRONG_MESSAGE_TYPE: rejected(_TYPE, "A PKCSReq is no reply.", "M-41"),
    Fault.UNKNOWN_MESSAGE_TYPE: rejected(_TYPE, "There is no messageType 18.", "M-21", "C-25"),
    Fault.MESSAGE_TYPE_AS_INTEGER: rejected(
        _RULE, "The messageType is digits in a PrintableString.", "M-14", "M-15"
    ),
    Fault.PADDED_MESSAGE_TYPE: rejected(_TYPE, "The messageType has no leading zeros.", "M-15"),
    Fault.UNKNOWN_PKI_STATUS: rejected(_RULE, "There is no pkiStatus 1.", "M-22", "C-25"),
    Fault.UNKNOWN_FAIL_INFO: accepted(
        "A FAILURE with an unknown reason is one all the same.",
        "A-08",
        "M-23",
        status=_FAILURE,
        fail_info=7,
    ),
    Fault.MALFORMED_FAIL_INFO: rejected(_RULE, "A failInfo is digits.", "M-14", "M-15"),
    Fault.UNKNOWN_ATTRIBUTE: _issued("Unknown attributes are passed over.", "M-40"),
    Fault.WRONG_CONTENT_TYPE_ATTRIBUTE: rejected(
        _SIGNATURE, "The signed contentType is not that of the content.", "M-09"
    ),
    Fault.WRONG_MESSAGE_DIGEST: rejected(
        _SIGNATURE, "The messageDigest is that of another content.", "M-09"
    ),
    Fault.WRONG_ALGORITHM_PROTECTION: rejected(
        _SIGNATURE, "The signed algorithms are not those of the message.", "M-37"
    ),
    Fault.SIGNED_BY_STRANGER: rejected(
        _SIGNATURE, "Another CA of the same name signed it.", "A-12", "M-34"
    ),
    Fault.SIGNED_BY_LOOK_ALIKE: rejected(
        _SIGNATURE,
        "The enclosed certificate has the CA's issuer and serial number, and another key.",
        "M-34",
        "S-14",
    ),
    Fault.SIGNED_OVER_OTHER_BYTES: rejected(
        _SIGNATURE, "The signature is over other attributes.", "M-10", "S-01"
    ),
    Fault.NO_SIGNED_ATTRIBUTES: rejected(
        _MISSING, "The signed attributes were stripped and the content signed itself.", "M-08"
    ),
    Fault.NO_SIGNER: rejected(_RULE, "Nobody has signed it.", "M-07"),
    Fault.TWO_SIGNERS: rejected(_RULE, "There are two signers where there has to be one.", "M-07"),
    Fault.MD5: rejected(Rejection.WEAK_ALGORITHM, "MD5 proves nothing any more.", "M-36", "S-04"),
    Fault.SHA1: _issued("SHA-1 is for servers that have nothing better.", "M-36", allow=("SHA1",)),
    Fault.TWO_HASHES: rejected(
        _SIGNATURE, "The digest has one hash and the signature another.", "M-37"
    ),
    Fault.CERTIFICATE_FOR_ANOTHER_KEY: rejected(
        _CERTIFICATE, "The certificate is for another key.", "R-13", "A-02"
    ),
    Fault.CERTIFICATE_OF_ANOTHER_CA: rejected(
        _CERTIFICATE, "Another CA of the same name issued the certificate.", "R-13"
    ),
    Fault.CERTIFICATE_FOR_ANOTHER_NAME: accepted(
        "A CA may give another subject than was asked for; the user is told.",
        "R-13",
        status=_SUCCESS,
    ),
    Fault.EXPIRED_CERTIFICATE: accepted(
        "Whether a certificate is still good is for its user to say, who has the clock.",
        "R-13",
        status=_SUCCESS,
    ),
    Fault.CA_INSTEAD_OF_LEAF: rejected(
        _CERTIFICATE, "The only certificate is that of the CA.", "A-02", "R-13"
    ),
    Fault.CHAIN_BEFORE_LEAF: _issued("The issued certificate is not the first.", "A-02", "A-03"),
    Fault.NO_CERTIFICATE: rejected(_CERTIFICATE, "A SUCCESS with nothing in it.", "A-01"),
    Fault.NO_ENCLOSED_CERTIFICATES: _issued(
        "The certificate of the signer is known from GetCACert.", "M-32"
    ),
    Fault.ENCRYPTED_TO_STRANGER: rejected(_RULE, "The envelope is for somebody else.", "A-18"),
    Fault.ENCRYPTED_WITH_WRONG_KEY: rejected(
        _DECRYPTION, "The content key is encrypted with another key.", "E-16", "S-07"
    ),
    Fault.SHORT_CONTENT_KEY: rejected(
        _DECRYPTION, "The content key is one byte too short.", "E-16", "S-07"
    ),
    Fault.GARBLED_CONTENT_KEY: rejected(
        _DECRYPTION, "The encrypted content key has a bit flipped.", "E-16", "S-07"
    ),
    Fault.BAD_PADDING: rejected(
        _DECRYPTION, "The padding of the content is wrong.", "E-16", "S-07"
    ),
    Fault.GARBAGE_CONTENT: rejected(
        _DECRYPTION, "The content decrypts to garbage.", "E-16", "S-07"
    ),
    Fault.SINGLE_DES: rejected(Rejection.WEAK_ALGORITHM, "Single DES is forbidden.", "E-12"),
    Fault.TRIPLE_DES: _issued(
        "3DES is for servers that have nothing better.", "E-11", "E-21", allow=("DES_EDE3_CBC",)
    ),
    Fault.OAEP: _issued("RSAES-OAEP comes without having been asked for.", "E-09"),
    Fault.NO_ENVELOPE_IN_SUCCESS: rejected(_RULE, "A SUCCESS has an envelope.", "A-09"),
    Fault.ENVELOPE_IN_FAILURE: accepted(
        "What a FAILURE carries is passed over, not decrypted.",
        "A-09",
        status=_FAILURE,
        fail_info=FailInfo.BAD_REQUEST.value,
    ),
    Fault.INDEFINITE_LENGTHS: _issued("The outermost structures have indefinite lengths.", "M-05"),
    Fault.SEGMENTED_CONTENT: _issued("The signed content comes in pieces.", "M-05"),
    Fault.CONSTRUCTED_ENCRYPTED_CONTENT: _issued(
        "The encrypted content is a constructed [0] of definite length.", "E-22"
    ),
    Fault.UNSORTED_ATTRIBUTES: _issued(
        "The attributes come in another order than they are signed in.", "M-10"
    ),
    Fault.TRAILING_BYTES: rejected(Rejection.MALFORMED, "A byte follows the message.", "M-42"),
    Fault.TRUNCATED_MESSAGE: rejected(
        Rejection.MALFORMED, "Half of the message is missing.", "S-01"
    ),
    Fault.HUGE_MESSAGE: rejected(
        Rejection.TOO_LARGE, "Five megabytes are more than any reply has.", "T-29", "S-19"
    ),
    Fault.DEEP_MESSAGE: rejected(Rejection.TOO_LARGE, "100,000 levels of nesting.", "S-19"),
    Fault.PENDING_FOREVER: accepted("The client has to ask again later.", "A-14", status=_PENDING),
    Fault.REFUSED: accepted(
        "The CA refuses.", "A-05", status=_FAILURE, fail_info=FailInfo.BAD_REQUEST.value
    ),
    Fault.HTML_PAGE: rejected(_HTTP, "A web page with status 200.", "T-24"),
    Fault.WRONG_HTTP_TYPE: _issued("The Content-Type is not the usual one.", "T-22"),
    Fault.REDIRECT: rejected(_HTTP, "A redirect, which a client does not follow.", "T-26"),
    Fault.SERVER_ERROR: rejected(_HTTP, "Status 500 with a text.", "T-20"),
    Fault.EMPTY_BODY: rejected(_HTTP, "Status 200 with nothing.", "T-25"),
}
"""What a careful client makes of each fault that one reply can show."""

OF_SEVERAL_MESSAGES = frozenset(
    (
        Fault.PENDING_TWICE,
        Fault.CHUNKED_BODY,
        Fault.SLOW_BODY,
        Fault.CLOSED_CONNECTION,
        Fault.CUT_BODY,
    )
)
"""Faults that no file can show: they are of a connection, or of several messages."""

_IN_FAILURES = (
    Fault.MISSING_FAIL_INFO,
    Fault.UNKNOWN_FAIL_INFO,
    Fault.MALFORMED_FAIL_INFO,
    Fault.DUPLICATE_FAIL_INFO,
    Fault.ENVELOPE_IN_FAILURE,
)
_REFUSAL = CertRep(pki_status=_FAILURE, fail_info=FailInfo.BAD_REQUEST)


def wrong_replies(server: Server) -> Iterator[Vector]:
    """Return all replies of this module."""
    for fault, expected in FAULTS.items():
        yield _faulty(server, fault, expected)
    yield from _by_others(server)
    yield from _in_other_statuses(server)
    yield from _to_queries(server)


def _faulty(server: Server, fault: Fault, expected: Expected) -> Vector:
    prefix = "wrong" if expected.rejection else "drafted"
    name = f"{prefix}-{fault.name.lower().replace('_', '-')}"
    request = server.requests[USUAL]
    stage = server.stage(f"replies/{name}", request)
    reply = _REFUSAL if fault in _IN_FAILURES else server.issued("client-old")
    effect = fault.value
    if isinstance(effect, OnReply):
        reply = effect.apply(reply, 0)
    draft = server.draft(stage, reply)
    if isinstance(effect, OnDraft):
        draft = effect.apply(draft, stage)
    response = pki_operation_response(draft.encode())
    if isinstance(effect, OnResponse):
        response = effect.apply(response)
    readable = expected.rejection is None
    message = describe(draft, server.parties) if readable else None
    return server.vector(name, response.body, request, expected, response=response, message=message)


def _signed_by(server: Server, draft: Draft, name: str) -> Draft:
    identity = server.parties.identity(name)
    certificate = identity.certificate
    return replace(draft, signer=identity, named_signer=certificate, enclosed=(certificate.der,))


def _by_others(server: Server) -> Iterator[Vector]:
    """Return replies signed by somebody whose certificate is right but not for that."""
    for signer, why, request in (
        ("client-old", "An ordinary certificate of the CA signed it.", USUAL),
        ("stranger-ra", "The RA of another CA signed it.", "requests/pkcs-req-to-ra"),
        (
            "ra-encrypt",
            "The RA certificate that only encrypts signed it.",
            "requests/pkcs-req-to-ra",
        ),
    ):
        name = f"wrong-signed-by-{signer}"
        asked = server.requests[request]
        draft = server.draft(server.stage(f"replies/{name}", asked), server.issued("client-old"))
        octets = _signed_by(server, draft, signer).encode()
        yield server.vector(name, octets, asked, rejected(_SIGNATURE, why, "A-12"))
    asked = server.requests[USUAL]
    yield server.vector(
        "wrong-echo",
        asked.octets,
        asked,
        rejected(_SIGNATURE, "The client's own request comes back.", "M-41", "A-12"),
    )
    name = "wrong-same-subject-other-key"
    draft = server.draft(server.stage(f"replies/{name}", asked), server.issued("client-new"))
    yield server.vector(
        name,
        draft.encode(),
        asked,
        rejected(_CERTIFICATE, "A certificate with the right subject and another key.", "R-13"),
    )


def _in_other_statuses(server: Server) -> Iterator[Vector]:
    """Return forged and replayed PENDINGs and FAILUREs, which are checked like any reply."""
    asked = server.requests[USUAL]
    cases = (
        (Fault.SIGNED_BY_STRANGER, rejected(_SIGNATURE, "Somebody else says so.", "A-10")),
        (Fault.WRONG_RECIPIENT_NONCE, rejected(_NONCE, "It may be an old one.", "S-08", "M-27")),
        (Fault.WRONG_TRANSACTION_ID, rejected(_TRANSACTION, "Another is meant.", "M-18")),
    )
    for status, reply in (("pending", CertRep(pki_status=_PENDING)), ("failure", _REFUSAL)):
        for fault, expected in cases:
            name = f"wrong-{status}-{fault.name.lower().replace('_', '-')}"
            stage = server.stage(f"replies/{name}", asked)
            effect: OnDraft = fault.value
            octets = effect.apply(server.draft(stage, reply), stage).encode()
            yield server.vector(name, octets, asked, expected)


def _to_queries(server: Server) -> Iterator[Vector]:
    """Return replies to GetCert and GetCRL that answer another question."""
    cert, crl = "requests/get-cert-aes128-sha256", "requests/get-crl-aes128-sha256"
    pending = CertRep(pki_status=_PENDING)
    other_crl = CertRep(
        pki_status=_SUCCESS,
        crl=server.parties.ephemeral_ca("stranger-ca", server.parties.base).crl(
            at=server.parties.at
        ),
    )
    cases = (
        ("get-cert-pending", cert, pending, rejected(_RULE, "A query never waits.", "A-13")),
        ("get-crl-pending", crl, pending, rejected(_RULE, "A query never waits.", "A-13")),
        (
            "get-cert-other",
            cert,
            server.issued("client-new"),
            rejected(_CERTIFICATE, "Another certificate than the one asked for.", "Q-07"),
        ),
        (
            "get-crl-none",
            crl,
            server.issued("client-old"),
            rejected(_RULE, "A certificate instead of the CRL.", "A-07"),
        ),
        (
            "get-crl-other-ca",
            crl,
            other_crl,
            rejected(_SIGNATURE, "The CRL of another CA of the same name.", "Q-07"),
        ),
    )
    for label, request, reply, expected in cases:
        asked = server.requests[request]
        draft = server.draft(server.stage(f"replies/wrong-{label}", asked), reply)
        yield server.vector(
            f"wrong-{label}", draft.encode(), asked, expected, identifier="client-old"
        )
