"""Programs that must not pass mypy: each marked line is an error of the marked kind.

Everything that can be decided by types is decided here rather than at three in the morning.
"""

from datetime import datetime, timezone

import pyscep
from pyscep.certificates import Identity
from pyscep.client import Client
from pyscep.http import HttpRequest, HttpResponse
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa
from pyscep.transaction import Reply
from pyscep.transport import RequestsTransport

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def a_pending_has_no_certificate(pending: pyscep.Pending) -> None:
    pending.certificate  # error: [attr-defined]


def a_reply_has_to_be_told_apart_first(reply: Reply) -> None:
    reply.certificate  # error: [union-attr]


def told_apart(reply: Reply) -> str:
    match reply:
        case pyscep.Success():
            return str(reply.certificate.subject)
        case pyscep.Failure():
            return reply.explanation
        case pyscep.Pending():
            return reply.transaction.transaction_id


def one_case_forgotten(reply: Reply) -> str:  # error: [return]
    match reply:  # error: [exhaustive-match]
        case pyscep.Success():
            return "got it"
        case pyscep.Failure():
            return "refused"


def nothing_is_believed_before_it_is_authenticated(
    client: Client, csr: pyscep.CertificationRequest, identity: Identity
) -> None:
    fetched = client.get_ca_cert()
    client.enrol(csr, identity=identity, ca=fetched)  # error: [arg-type]
    client.enrol(csr, identity=identity, ca=fetched.authenticate(sha256="00", at=None))


def the_moment_has_to_be_given(fetched: pyscep.CaCertificates) -> None:
    fetched.authenticate(sha256="00")  # error: [call-arg]


def a_timeout_has_to_be_given() -> None:
    RequestsTransport()  # error: [call-arg]


def nothing_of_a_message_shows_before_it_is_verified(octets: bytes) -> None:
    from pyscep.pki_message import parse_pki_message

    parse_pki_message(octets).pki_status  # error: [attr-defined]
    parse_pki_message(octets).decrypt  # error: [attr-defined]


def a_certificate_alone_does_not_sign(
    client: Client, csr: pyscep.CertificationRequest, ca: pyscep.TrustedCa
) -> None:
    client.renew(csr, identity=ca.issuer, ca=ca)  # error: [arg-type]


def algorithms_are_no_strings() -> None:
    pyscep.Algorithms(digest_algorithm="sha256")  # error: [arg-type]


def results_do_not_change(success: pyscep.Success) -> None:
    success.subject_changed = False  # error: [misc]


def a_transport_returns_a_response() -> None:
    def send(request: HttpRequest) -> bytes:
        return request.body

    Client("http://ca.example/scep", send=send)  # error: [arg-type]


def a_responder_is_a_transport(responder: Responder, request: HttpRequest) -> None:
    response: HttpResponse = Client("http://ca.example/scep", send=responder.handle).send(request)
    Client("http://ca.example/scep", responder.handle)  # error: [call-arg]
    del response


def a_responder_needs_a_clock(authority: EphemeralCa) -> None:
    Responder(authority=authority)  # error: [call-arg]
