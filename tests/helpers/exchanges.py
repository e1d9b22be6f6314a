"""An enrolment that has been sent and waits for its reply."""

from __future__ import annotations

from pyscep.begin import pkcs_req
from pyscep.ca import CaCertificates, TrustedCa
from pyscep.exchange import DEFAULT_RULES, Exchange, ReplyRules
from pyscep.pkcs10 import CertificationRequest, build_csr
from tests.helpers import keys


def trusted_ca() -> TrustedCa:
    """Return :func:`tests.helpers.keys.ca`, authenticated."""
    certificate = keys.ca().certificate
    return CaCertificates(certificates=(certificate,)).authenticate(
        anchors=[certificate], at=keys.NOW
    )


def csr() -> CertificationRequest:
    """Return a request of :func:`tests.helpers.keys.client`."""
    return build_csr(
        subject=keys.client().certificate.subject,
        key=keys.client().key,
        challenge_password="a-challenge",
    )


def enrolment(*, transaction_id: str | None = None, rules: ReplyRules = DEFAULT_RULES) -> Exchange:
    """Return a PKCSReq of the client to the CA, with what is needed to judge the reply."""
    return pkcs_req(
        csr(),
        identity=keys.client(),
        ca=trusted_ca(),
        transaction_id=transaction_id,
        rules=rules,
    )
