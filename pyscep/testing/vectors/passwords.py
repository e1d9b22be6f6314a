"""Enrolments where a side has no RSA key, so that the challenge password encrypts.

Client and CA have each a key of either kind, which makes three pairs besides that of two RSA keys.
Queries carry no challenge password, so these pairs have none.

Source: RFC 8894 section 3.1; E-03 to E-05, E-23, E-26.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyscep.messages import PKCSReq, PkiStatus, RenewalReq
from pyscep.testing.vectors.model import Expected, Given, Vector, accepted
from pyscep.testing.vectors.parties import Parties
from pyscep.testing.vectors.replies import Server
from pyscep.testing.vectors.requests import SUITES, Author, Suite, message_of

_SUITES = ("aes128-sha256", "aes256-sha512", "3des-sha1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A client and a CA, not both with RSA keys."""

    label: str
    """Names its vectors."""
    authority: str
    """Name of the CA."""
    client: str
    """How the names of the client's keys begin."""
    issued: str
    """How the names of its certificates end."""
    why: str
    """Which way the challenge password encrypts, in words."""

    @property
    def self_signed(self) -> str:
        """Name of the client's self-signed certificate."""
        return f"{self.client}client-self-signed"

    def certificate(self, age: str) -> str:
        """Return the name of the certificate for the old or the new key."""
        return f"{self.client}client-{age}{self.issued}"


PAIRS = (
    Pair(
        label="ec-client",
        authority="ca",
        client="ec-",
        issued="",
        why="the reply is encrypted with the challenge password",
    ),
    Pair(
        label="to-ec",
        authority="ec",
        client="",
        issued="-by-ec-ca",
        why="the request is encrypted with the challenge password",
    ),
    Pair(
        label="ec-client-to-ec",
        authority="ec",
        client="ec-",
        issued="-by-ec-ca",
        why="both ways the challenge password encrypts",
    ),
)
"""All of them."""


def requests_by_password(parties: Parties) -> Iterator[Vector]:
    """Return an enrolment, a renewal and a poll for each pair, with several algorithms."""
    for pair in PAIRS:
        author = Author(parties=parties, authority=pair.authority)
        for label in _SUITES:
            yield from _requests(author, pair, f"{pair.label}-{label}", SUITES[label])


def _requests(author: Author, pair: Pair, label: str, suite: Suite) -> Iterator[Vector]:
    def expected(what: str, *checklist: str, status: PkiStatus = PkiStatus.SUCCESS) -> Expected:
        return accepted(f"{what}; {pair.why}.", *checklist, status=status, allow=suite.legacy)

    pkcs_req = author.write(
        f"pkcs-req-{label}",
        PKCSReq(csr=author.csr(f"{pair.client}client-old", digest=suite.digest)),
        expected("An enrolment", "E-04", "E-05", "E-23"),
        signer=pair.self_signed,
        suite=suite,
    )
    yield pkcs_req
    yield author.write(
        f"renewal-req-{label}",
        RenewalReq(csr=author.csr(f"{pair.client}client-new", digest=suite.digest)),
        expected("A renewal, which has its challenge password for that only", "E-04", "E-26"),
        signer=pair.certificate("old"),
        suite=suite,
        given=Given(issued=(pair.certificate("old"),)),
    )
    yield author.write(
        f"cert-poll-{label}",
        author.poll(),
        expected(
            "A poll with the challenge password of its request",
            "E-04",
            "E-26",
            "P-01",
            status=PkiStatus.PENDING,
        ),
        signer=pair.self_signed,
        suite=suite,
        given=Given(pending=pkcs_req.name),
        transaction_id=message_of(pkcs_req).transaction_id,
    )


def replies_by_password(server: Server) -> Iterator[Vector]:
    """Return the SUCCESS to each of these requests."""
    for pair in PAIRS:
        for label in _SUITES:
            for kind, age in (("pkcs-req", "old"), ("renewal-req", "new"), ("cert-poll", "old")):
                certificate = pair.certificate(age)
                request = f"{kind}-{pair.label}-{label}"
                yield server.write(
                    f"success-to-{request}",
                    server.issued(certificate),
                    accepted(
                        f"The certificate that was asked for; {pair.why}.",
                        "E-04",
                        "E-23",
                        "A-01",
                        status=PkiStatus.SUCCESS,
                        certificate=certificate,
                        allow=SUITES[label].legacy,
                    ),
                    request=f"requests/{request}",
                    suite=SUITES[label],
                )
