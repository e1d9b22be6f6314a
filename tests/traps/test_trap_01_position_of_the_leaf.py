"""Trap 1: the leaf is not first any more.

An encoder that sorts the SET OF certificates by their bytes moves a long leaf behind a short CA;
clients that install the first certificate then install the CA's.
"""

from __future__ import annotations

import pytest

from pyscep.messages import CertRep, PkiStatus, parse_cert_rep_content
from pyscep.transaction import require_success
from tests.helpers import responders
from tests.helpers.message_factory import degenerate


@pytest.mark.conforms("A-01", "A-03")
def test_the_leaf_stands_first_whatever_the_bytes_say() -> None:
    ca = responders.authority().issuer
    leaf = responders.certified(1, subject="CN=" + "long" * 15).certificate
    assert ca.der < leaf.der, "sorting has to be able to go wrong"
    content = CertRep(pki_status=PkiStatus.SUCCESS, certificates=(leaf.der, ca.der)).encode()
    assert content is not None
    assert parse_cert_rep_content(content).certificates == (leaf.der, ca.der)


@pytest.mark.conforms("A-02")
@pytest.mark.parametrize("leaf_first", [True, False])
def test_our_client_does_not_look_at_positions(leaf_first: bool) -> None:
    responder = responders.new_responder()
    exchange = responders.begin(responder)
    leaf, ca = responders.certified(1).certificate, responder.authority.issuer
    order = (leaf, ca) if leaf_first else (ca, leaf)
    bag = degenerate([each.der for each in order])
    reply = require_success(exchange.receive(responders.answer(exchange, bag)))
    assert (reply.certificate, reply.others) == (leaf, (ca,))
