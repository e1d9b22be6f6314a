"""Requests that are right, and those in order whose sender may not have what it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from pyscep import extensions
from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
)
from pyscep.errors import UsageError
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.messages import (
    CertPoll,
    FailInfo,
    GetCert,
    GetCRL,
    PKCSReq,
    PkiStatus,
    RenewalReq,
    Request,
)
from pyscep.pkcs10 import CertificationRequest, build_csr
from pyscep.pki_message import NONCE_SIZE, encode_request
from pyscep.testing.vectors.model import (
    Content,
    Expected,
    Given,
    Message,
    Reader,
    Rejection,
    Vector,
    accepted,
    key_encryption_of,
    rejected,
)
from pyscep.testing.vectors.parties import AUTHORITIES, CHALLENGE_PASSWORD, CLIENT, Parties

AES128 = ContentEncryptionAlgorithm.AES128_CBC
CIPHERS = {
    "aes128": AES128,
    "aes256": ContentEncryptionAlgorithm.AES256_CBC,
    "3des": ContentEncryptionAlgorithm.DES_EDE3_CBC,
}
DIGESTS = {
    "sha1": DigestAlgorithm.SHA1,
    "sha256": DigestAlgorithm.SHA256,
    "sha512": DigestAlgorithm.SHA512,
}
KINDS = ("pkcs-req", "renewal-req", "pkcs-req-by-old", "cert-poll", "get-cert", "get-crl")
"""Every request; "by-old" is a renewal the way NDES has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The algorithms of one message."""

    cipher: ContentEncryptionAlgorithm = AES128
    """The cipher of the envelope."""
    digest: DigestAlgorithm = DigestAlgorithm.SHA256
    """The hash."""
    key_encryption: KeyEncryptionAlgorithm = KeyEncryptionAlgorithm.RSA_PKCS1_V15
    """How the content key is encrypted."""

    @property
    def legacy(self) -> tuple[str, ...]:
        """The names of what a reader has to have allowed."""
        return tuple(each.name for each in (self.cipher, self.digest) if each.legacy)


USUAL_SUITE = Suite()
"""What everybody can do."""


def _suites() -> dict[str, Suite]:
    suites = {
        f"{cipher_name}-{digest_name}": Suite(cipher=cipher, digest=digest)
        for cipher_name, cipher in CIPHERS.items()
        for digest_name, digest in DIGESTS.items()
    }
    for algorithm in KeyEncryptionAlgorithm:
        if algorithm.is_oaep:
            name = algorithm.name.lower().removeprefix("rsa_").replace("_", "-")
            suites[f"aes128-sha256-{name}"] = Suite(key_encryption=algorithm)
    return suites


SUITES = _suites()
"""Every combination of algorithms, by the label that names its vectors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Writes requests of one client to one CA."""

    parties: Parties = field(repr=False)
    """Keys and certificates."""
    authority: str = "ca"
    """Name of the CA."""

    def csr(
        self,
        key: str = "client-old",
        *,
        challenge_password: str | None = CHALLENGE_PASSWORD,
        subject: str = CLIENT,
        digest: DigestAlgorithm = DigestAlgorithm.SHA256,
        items: Sequence[extensions.Extension] = (),
    ) -> CertificationRequest:
        """Return a certification request for one of the keys."""
        return build_csr(
            subject=subject,
            key=self.parties.keys[key],
            challenge_password=challenge_password,
            digest_algorithm=digest,
            extra_extensions=items,
        )

    def renewal(self) -> CertificationRequest:
        """Return a certification request for the new key, without challenge password."""
        return self.csr("client-new", challenge_password=None)

    def poll(self) -> CertPoll:
        """Return a poll for what the client asked for."""
        issuer = self.parties.certificate(AUTHORITIES[self.authority].issuer)
        return CertPoll(issuer=issuer.subject, subject=self.csr().subject)

    def identifier(self, certificate: str = "client-old") -> IssuerAndSerialNumber:
        """Return what names a certificate."""
        return IssuerAndSerialNumber.of(self.parties.certificate(certificate))

    def write(
        self,
        name: str,
        request: Request,
        expected: Expected,
        *,
        signer: str = "client-self-signed",
        suite: Suite = USUAL_SUITE,
        given: Given | None = None,
        transaction_id: str | None = None,
    ) -> Vector:
        """Return a request as a vector for servers.

        :param transaction_id: that of an earlier request; a new one if left out.
        """
        provider = self.parties.provider(f"requests/{name}")
        chosen = transaction_id or provider.random_bytes(16).hex()
        sender_nonce = provider.random_bytes(NONCE_SIZE)
        recipient = AUTHORITIES[self.authority].recipient
        certificate = self.parties.certificate(recipient)
        octets = encode_request(
            request,
            transaction_id=chosen,
            sender_nonce=sender_nonce,
            identity=self.parties.identity(signer),
            recipient=certificate,
            content_encryption_algorithm=suite.cipher,
            digest_algorithm=suite.digest,
            key_encryption_algorithm=suite.key_encryption,
            # Of a poll; requests have their own.
            challenge_password=CHALLENGE_PASSWORD,
            provider=provider,
        )
        return Vector(
            name=f"requests/{name}",
            octets=octets,
            reader=Reader.SERVER,
            content=Content.PKI_MESSAGE,
            authority=self.authority,
            given=given,
            expected=expected,
            message=Message(
                message_type=request.message_type,
                transaction_id=chosen,
                sender_nonce=sender_nonce,
                digest=suite.digest,
                cipher=suite.cipher,
                key_encryption=key_encryption_of(certificate, suite.key_encryption),
                signer=signer,
                recipient=recipient,
            ),
        )


def right_requests(parties: Parties) -> Iterator[Vector]:
    """Return every kind of request in every combination of algorithms, and to every CA."""
    author = Author(parties=parties)
    for label, suite in SUITES.items():
        yield from requests_with(author, label, suite)
    for name in ("chain", "ra", "ndes", "next-ca"):
        elsewhere = Author(parties=parties, authority=name)
        expected = accepted(
            f"The usual enrolment, at the CA {name!r}.", "R-01", status=PkiStatus.SUCCESS
        )
        yield elsewhere.write(f"pkcs-req-to-{name}", PKCSReq(csr=elsewhere.csr()), expected)
    yield from _unusual(author)


def requests_with(author: Author, label: str, suite: Suite) -> Iterator[Vector]:
    """Return every kind of request with these algorithms."""
    legacy = suite.legacy
    oaep = ("E-09",) if suite.key_encryption.is_oaep else ()

    def success(why: str, *checklist: str) -> Expected:
        return accepted(why, *checklist, *oaep, status=PkiStatus.SUCCESS, allow=legacy)

    pkcs_req = author.write(
        f"pkcs-req-{label}",
        PKCSReq(csr=author.csr(digest=suite.digest)),
        success("An enrolment with the right challenge password.", "R-01", "R-02", "M-12"),
        suite=suite,
    )
    yield pkcs_req
    renewal = author.csr("client-new", challenge_password=None, digest=suite.digest)
    yield author.write(
        f"renewal-req-{label}",
        RenewalReq(csr=renewal),
        success("A renewal with a new key, signed by the old certificate.", "R-02", "R-06"),
        signer="client-old",
        suite=suite,
        given=Given(issued=("client-old",)),
    )
    yield author.write(
        f"pkcs-req-by-old-{label}",
        PKCSReq(csr=renewal),
        success("A renewal the way NDES has it: a PKCSReq by the old certificate.", "C-28"),
        signer="client-old",
        suite=suite,
        given=Given(issued=("client-old",)),
    )
    yield author.write(
        f"cert-poll-{label}",
        author.poll(),
        accepted(
            "A poll for a request that still waits.",
            "P-01",
            "P-03",
            *oaep,
            status=PkiStatus.PENDING,
            allow=legacy,
        ),
        suite=suite,
        given=Given(pending=pkcs_req.name),
        transaction_id=message_of(pkcs_req).transaction_id,
    )
    yield author.write(
        f"get-cert-{label}",
        GetCert(identifier=author.identifier()),
        success("A question for a certificate that the CA has issued.", "Q-01", "Q-03"),
        signer="client-old",
        suite=suite,
        given=Given(issued=("client-old",)),
    )
    yield author.write(
        f"get-crl-{label}",
        GetCRL(identifier=author.identifier()),
        success("A question for the CRL.", "Q-01", "Q-04"),
        signer="client-old",
        suite=suite,
        given=Given(issued=("client-old",)),
    )


def message_of(request: Vector) -> Message:
    """Return what is in a request.

    :raises UsageError: it is one that nobody can read.
    """
    if request.message is None:
        raise UsageError(f"{request.name} cannot be read, so nothing can be said about it.")
    return request.message


def _unusual(author: Author) -> Iterator[Vector]:
    """Return requests that are right in a way that is easily got wrong."""
    success = PkiStatus.SUCCESS
    authority = (extensions.basic_constraints(ca=True),)
    yield author.write(
        "pkcs-req-asking-for-a-ca",
        PKCSReq(csr=author.csr(items=authority)),
        accepted("It asks to be a CA; it gets a certificate that is none.", "R-11", status=success),
    )
    yield author.write(
        "pkcs-req-with-greek-subject",
        PKCSReq(csr=author.csr(subject="serialNumber=17,CN=sensor-17,OU=Ω,O=Example")),
        accepted("A subject with letters beyond ASCII.", "R-18", status=success),
    )
    right = author.write(
        "pkcs-req-sent-again",
        PKCSReq(csr=author.csr()),
        accepted(
            "The same request while the first one waits: a poll in disguise.",
            "P-10",
            "X-07",
            status=PkiStatus.PENDING,
        ),
    )
    yield replace(right, given=Given(pending=right.name))


def refused_requests(parties: Parties) -> Iterator[Vector]:
    """Return requests with nothing wrong in the message, that a server has to refuse."""
    author = Author(parties=parties)
    yield from _refused_enrolments(author)
    yield from _refused_renewals(author)
    yield from _refused_queries(author)


def _refused(why: str, fail_info: FailInfo, *checklist: str) -> Expected:
    return rejected(Rejection.REFUSED, why, *checklist, fail_info=fail_info.value)


def _refused_enrolments(author: Author) -> Iterator[Vector]:
    bad = FailInfo.BAD_REQUEST
    wrong = author.csr(challenge_password="vectors-know-it-not")  # noqa: S106  # public test data
    yield author.write(
        "refused-wrong-challenge",
        PKCSReq(csr=wrong),
        _refused("The challenge password is wrong.", bad, "H-05", "A-16"),
    )
    yield author.write(
        "refused-no-challenge",
        PKCSReq(csr=author.csr(challenge_password=None)),
        _refused("There is no challenge password, and nothing else to go by.", bad, "H-05"),
    )
    yield author.write(
        "refused-other-key",
        PKCSReq(csr=author.csr("client-new")),
        _refused("The self-signed signer has another key than the request.", bad, "R-05"),
    )
    yield author.write(
        "refused-short-key",
        PKCSReq(csr=author.csr("short")),
        rejected(
            Rejection.WEAK_ALGORITHM,
            "An RSA key of 1024 bits.",
            "R-12",
            fail_info=FailInfo.BAD_ALG.value,
        ),
        signer="short-self-signed",
    )
    first = author.write(
        "pkcs-req-first-of-two",
        PKCSReq(csr=author.csr()),
        accepted("The first of two with one transactionID.", "X-08", status=PkiStatus.SUCCESS),
    )
    yield first
    yield author.write(
        "refused-used-transaction",
        PKCSReq(csr=author.csr("client-new")),
        _refused("Another request has this transactionID.", bad, "X-08"),
        signer="client-new-self-signed",
        given=Given(pending=first.name),
        transaction_id=message_of(first).transaction_id,
    )


def _refused_renewals(author: Author) -> Iterator[Vector]:
    bad = FailInfo.BAD_REQUEST
    yield author.write(
        "refused-renewal-self-signed",
        RenewalReq(csr=author.csr(challenge_password=None)),
        _refused("A self-signed certificate authenticates nobody.", bad, "R-07", "S-03"),
    )
    yield author.write(
        "refused-renewal-by-stranger",
        RenewalReq(csr=author.renewal()),
        _refused("Another CA of the same name issued the old certificate.", bad, "R-06"),
        signer="client-by-stranger",
    )
    yield author.write(
        "refused-renewal-expired",
        RenewalReq(csr=author.renewal()),
        _refused("The old certificate has expired.", bad, "R-06"),
        signer="client-expired",
        given=Given(issued=("client-expired",)),
    )
    yield author.write(
        "refused-renewal-revoked",
        RenewalReq(csr=author.renewal()),
        _refused("The old certificate has been revoked.", bad, "R-06", "W-16"),
        signer="client-old",
        given=Given(issued=("client-old",), revoked=("client-old",)),
    )
    yield author.write(
        "refused-renewal-other-subject",
        RenewalReq(
            csr=author.csr("client-new", challenge_password=None, subject="CN=admin,O=Example")
        ),
        _refused("A renewal for somebody else.", bad, "R-17"),
        signer="client-old",
        given=Given(issued=("client-old",)),
    )


def _refused_queries(author: Author) -> Iterator[Vector]:
    unknown = FailInfo.BAD_CERT_ID
    first = author.write(
        "pkcs-req-polled-by-other",
        PKCSReq(csr=author.csr()),
        accepted("An enrolment that somebody else polls for.", "P-08", status=PkiStatus.SUCCESS),
    )
    yield first
    yield author.write(
        "refused-poll-by-other-key",
        author.poll(),
        _refused("A poll for what another key asked for.", unknown, "P-08"),
        signer="client-new-self-signed",
        given=Given(pending=first.name),
        transaction_id=message_of(first).transaction_id,
    )
    yield author.write(
        "refused-poll-unknown",
        author.poll(),
        _refused("A poll for a transaction that there is not.", unknown, "P-04"),
    )
    yield author.write(
        "refused-get-cert-unknown",
        GetCert(identifier=author.identifier("client-new")),
        _refused("No such certificate has been issued.", unknown, "Q-03"),
        signer="client-old",
        given=Given(issued=("client-old",)),
    )
    yield author.write(
        "refused-get-crl-other-issuer",
        GetCRL(identifier=author.identifier("client-old-by-issuing")),
        _refused("Another CA issued that certificate.", unknown, "Q-03", "Q-04"),
        signer="client-old",
        given=Given(issued=("client-old",)),
    )
