"""Replies that are right: every status, in every spelling and combination of algorithms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from pyscep import http, http_server
from pyscep.algorithms import DigestAlgorithm
from pyscep.messages import CertRep, FailInfo, MessageType, PkiStatus
from pyscep.pki_message import NONCE_SIZE, VerifiedMessage, encode_cert_rep, parse_pki_message
from pyscep.testing.draft import Draft, draft_of
from pyscep.testing.faults import Stage
from pyscep.testing.habits import ndes_failure
from pyscep.testing.vectors import ber
from pyscep.testing.vectors.facts import describe
from pyscep.testing.vectors.model import (
    Answers,
    Content,
    Expected,
    Message,
    Reader,
    Vector,
    accepted,
    key_encryption_of,
)
from pyscep.testing.vectors.parties import AUTHORITIES, CHALLENGE_PASSWORD, Parties
from pyscep.testing.vectors.requests import KINDS, SUITES, USUAL_SUITE, Suite, message_of

USUAL = "requests/pkcs-req-aes128-sha256"
"""The request that most replies are for."""

_RENEWALS = ("renewal-req", "pkcs-req-by-old")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Writes replies to the requests of this set."""

    parties: Parties = field(repr=False)
    """Keys and certificates."""
    requests: Mapping[str, Vector] = field(repr=False)
    """The requests by name."""

    def opened(self, request: Vector) -> VerifiedMessage:
        """Return a request as a server has it once the signature is checked."""
        return parse_pki_message(request.octets).verify_possession(provider=self.parties.base)

    def stage(self, label: str, request: Vector) -> Stage:
        """Return a server at the moment of its reply, with the randomness for that."""
        provider = self.parties.provider(label)
        return Stage(
            responder=self.parties.responder(request.authority, provider),
            make_stranger=lambda: self.parties.ephemeral_ca("stranger-ca", provider),
            request=self.opened(request),
        )

    def draft(self, stage: Stage, reply: CertRep) -> Draft:
        """Return the draft of a reply that is right."""
        return draft_of(stage.responder, stage.request, reply, USUAL_SUITE.cipher)

    def vector(
        self,
        name: str,
        octets: bytes,
        request: Vector,
        expected: Expected,
        *,
        identifier: str | None = None,
        message: Message | None = None,
        response: http.HttpResponse | None = None,
    ) -> Vector:
        """Return a reply as a vector for clients.

        :param identifier: name of the certificate that a query was about.
        :param response: the HTTP response, if it is not the usual one.
        """
        asked = message_of(request)
        carrier = response or http_server.pki_operation_response(octets)
        return Vector(
            name=f"replies/{name}",
            octets=octets,
            reader=Reader.CLIENT,
            content=Content.PKI_MESSAGE,
            authority=request.authority,
            http=(carrier.status, carrier.headers),
            expected=expected,
            message=message,
            answers=Answers(
                request=request.name,
                transaction_id=asked.transaction_id,
                sender_nonce=asked.sender_nonce or b"",
                signer=asked.signer,
                requested_key=self._requested_key(asked),
                identifier=identifier,
            ),
        )

    def write(
        self,
        name: str,
        reply: CertRep,
        expected: Expected,
        *,
        request: str = USUAL,
        suite: Suite = USUAL_SUITE,
        empty_content: bytes | None = None,
        identifier: str | None = None,
    ) -> Vector:
        """Return a reply in perfect order."""
        asked = self.requests[request]
        provider = self.parties.provider(f"replies/{name}")
        sender_nonce = provider.random_bytes(NONCE_SIZE)
        signer = AUTHORITIES[asked.authority].signers[0]
        verified = self.opened(asked)
        octets = encode_cert_rep(
            reply,
            request=verified,
            sender_nonce=sender_nonce,
            identity=self.parties.identity(signer),
            content_encryption_algorithm=suite.cipher,
            digest_algorithm=suite.digest,
            key_encryption_algorithm=suite.key_encryption,
            empty_content=empty_content,
            provider=provider,
        )
        enveloped = reply.pki_status is PkiStatus.SUCCESS
        key_encryption = key_encryption_of(verified.signer, suite.key_encryption)
        message = Message(
            message_type=reply.message_type,
            transaction_id=verified.transaction_id,
            sender_nonce=sender_nonce,
            recipient_nonce=verified.sender_nonce,
            pki_status=reply.pki_status,
            fail_info=None if reply.fail_info is None else reply.fail_info.value,
            fail_info_text=reply.fail_info_text,
            digest=suite.digest,
            cipher=suite.cipher if enveloped else None,
            key_encryption=key_encryption if enveloped else None,
            signer=signer,
            recipient=message_of(asked).signer if enveloped else None,
        )
        return self.vector(name, octets, asked, expected, identifier=identifier, message=message)

    def _requested_key(self, asked: Message) -> str | None:
        """Return the key that is to be certified: the new one, if the old certificate signed."""
        if asked.message_type in (MessageType.GET_CERT, MessageType.GET_CRL):
            return None
        certificate, key = self.parties.certificates[asked.signer]
        return key if certificate.is_self_issued else key.replace("old", "new")

    def issued(self, *names: str) -> CertRep:
        """Return a SUCCESS with these certificates."""
        certificates = tuple(self.parties.certificate(name).der for name in names)
        return CertRep(
            pki_status=PkiStatus.SUCCESS,
            certificates=certificates,
            challenge_password=CHALLENGE_PASSWORD,
        )

    def crl(self) -> CertRep:
        """Return a SUCCESS with a CRL in which one certificate is revoked."""
        authority = self.parties.ephemeral_ca("ca", self.parties.base)
        revoked = self.parties.certificate("client-expired").serial_number
        at = self.parties.at
        crl = authority.crl(at=at, number=1, revoked={revoked: at - timedelta(days=30)})
        return CertRep(pki_status=PkiStatus.SUCCESS, crl=crl)


def right_replies(server: Server) -> Iterator[Vector]:
    """Return the SUCCESS to every right request, every other status, and the odd forms."""
    for label, suite in SUITES.items():
        for kind in KINDS:
            yield _success(server, kind, label, suite)
    yield from _elsewhere(server)
    yield from _other_statuses(server)
    yield from _odd_forms(server)


def _success(server: Server, kind: str, label: str, suite: Suite) -> Vector:
    """Return the SUCCESS to a request, with the algorithms of the request."""
    if kind == "get-crl":
        reply, certificate = server.crl(), None
        why, checklist = "The CRL that was asked for.", ("A-07", "E-21", "Q-04")
    else:
        certificate = "client-new" if kind in _RENEWALS else "client-old"
        reply = server.issued(certificate)
        why, checklist = "The certificate that was asked for.", ("A-01", "E-21", "A-17")
    return server.write(
        f"success-to-{kind}-{label}",
        reply,
        accepted(
            why,
            *checklist,
            status=PkiStatus.SUCCESS,
            certificate=certificate,
            allow=suite.legacy,
        ),
        request=f"requests/{kind}-{label}",
        suite=suite,
        identifier="client-old" if kind.startswith("get-") else None,
    )


def _elsewhere(server: Server) -> Iterator[Vector]:
    for authority, certificate in (
        ("chain", "client-old-by-issuing"),
        ("ra", "client-old"),
        ("ndes", "client-old-by-ndes-ca"),
        ("next-ca", "client-old-by-next-ca"),
    ):
        yield server.write(
            f"success-by-{authority}",
            server.issued(certificate),
            accepted(
                f"Issued and signed by the CA {authority!r}.",
                "A-01",
                "A-12",
                status=PkiStatus.SUCCESS,
                certificate=certificate,
            ),
            request=f"requests/pkcs-req-to-{authority}",
        )


_EMPTY = {"absent": None, "empty": b"", "zero-byte": b"\x00"}
"""The three spellings of no content (M-04)."""


def _other_statuses(server: Server) -> Iterator[Vector]:
    for spelling, content in _EMPTY.items():
        for digest in (DigestAlgorithm.SHA1, DigestAlgorithm.SHA256, DigestAlgorithm.SHA512):
            suite = Suite(digest=digest)
            yield server.write(
                f"pending-{spelling}-{digest.name.lower()}",
                CertRep(pki_status=PkiStatus.PENDING),
                accepted(
                    "The client has to ask again later.",
                    "A-06",
                    "M-04",
                    status=PkiStatus.PENDING,
                    allow=suite.legacy,
                ),
                suite=suite,
                empty_content=content,
            )
        for fail_info in FailInfo:
            yield server.write(
                f"failure-{fail_info.name.lower().replace('_', '-')}-{spelling}",
                CertRep(pki_status=PkiStatus.FAILURE, fail_info=fail_info),
                accepted(
                    f"The CA refuses with {fail_info.rfc_name}.",
                    "A-05",
                    "M-04",
                    "M-23",
                    status=PkiStatus.FAILURE,
                    fail_info=fail_info.value,
                ),
                empty_content=content,
            )
    yield server.write(
        "failure-with-text",
        CertRep(
            pki_status=PkiStatus.FAILURE,
            fail_info=FailInfo.BAD_REQUEST,
            fail_info_text="No more certificates today, Ω.",
        ),
        accepted(
            "The reason in words is for people.",
            "M-24",
            status=PkiStatus.FAILURE,
            fail_info=FailInfo.BAD_REQUEST.value,
        ),
    )


def _odd_forms(server: Server) -> Iterator[Vector]:
    """Return replies that are right in forms that deployed servers use."""
    success = server.issued("client-old")
    refusal = CertRep(pki_status=PkiStatus.FAILURE, fail_info=FailInfo.BAD_REQUEST)
    cases: tuple[
        tuple[str, CertRep, Callable[[Draft, Stage], Draft], str, tuple[str, ...]], ...
    ] = (
        (
            "content-in-pieces",
            success,
            lambda draft, _stage: replace(draft, change_message=(ber.indefinite_signed_data,)),
            "BER: the content comes in pieces, as streaming encoders send it.",
            ("M-05",),
        ),
        (
            "envelope-in-pieces",
            success,
            lambda draft, _stage: replace(draft, change_envelope=(ber.indefinite_enveloped_data,)),
            "BER: the envelope has indefinite lengths and its content comes in pieces.",
            ("E-22",),
        ),
        (
            "envelope-segmented",
            success,
            lambda draft, _stage: replace(draft, change_envelope=(ber.segmented_enveloped_data,)),
            "BER: encryptedContent is a constructed [0] of definite length with several pieces.",
            ("E-22",),
        ),
        (
            "envelope-constructed",
            success,
            lambda draft, _stage: replace(draft, constructed_encrypted_content=True),
            "BER: encryptedContent is a constructed [0] of definite length with one piece.",
            ("E-22",),
        ),
        (
            "bag-in-ber",
            success,
            lambda draft, _stage: replace(draft, change_plain=(ber.indefinite_signed_data,)),
            "BER: the certificates inside the envelope come with indefinite lengths.",
            ("D-04",),
        ),
        (
            "ndes-failure",
            refusal,
            ndes_failure,
            "As NDES refuses: SHA-1, no certificates, one zero byte, an HRESULT.",
            ("M-04", "M-32", "M-40"),
        ),
    )
    request = server.requests[USUAL]
    for name, reply, change, why, checklist in cases:
        stage = server.stage(f"replies/{name}", request)
        draft = change(server.draft(stage, reply), stage)
        failed = reply.fail_info
        expected = accepted(
            why,
            *checklist,
            status=reply.pki_status,
            certificate="client-old" if failed is None else None,
            fail_info=None if failed is None else failed.value,
            allow=("SHA1",) if name == "ndes-failure" else (),
        )
        message = describe(draft, server.parties)
        yield server.vector(f"drafted-{name}", draft.encode(), request, expected, message=message)
