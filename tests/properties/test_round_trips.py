"""What is written is read back, for any names, secrets, contents and identifiers."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.begin import pkcs_req
from pyscep.capabilities import Algorithms
from pyscep.cms_enveloped import envelop, parse_enveloped_data
from pyscep.extensions import GeneralName
from pyscep.messages import PKCSReq, parse_request
from pyscep.names import build_name, parse_name
from pyscep.pkcs10 import build_csr, parse_csr
from pyscep.pki_message import parse_pki_message
from pyscep.transaction import Transaction
from tests.helpers import keys, responders

FAST = settings(max_examples=60, deadline=None)
# Text that can be in a name: anything but lone surrogates, which no encoding has, and nothing.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
IDS = st.text(string.ascii_letters + string.digits + " '()+,-./:=?", min_size=1, max_size=64)
AES = [each for each in ContentEncryptionAlgorithm if each.name.startswith("AES")]
SHA2 = [DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512]


@given(common_name=TEXT, organization=TEXT)
@FAST
@pytest.mark.conforms("R-01")
def test_names_arrive_as_they_were_written(common_name: str, organization: str) -> None:
    written = {"common_name": common_name, "organization_name": organization}
    name = build_name(written)
    again = parse_name(name.der)
    assert again == name
    assert build_name(str(name)).der == name.der


@given(
    common_name=TEXT, challenge=TEXT, host=st.from_regex(r"[a-z]{1,20}\.example", fullmatch=True)
)
@FAST
@pytest.mark.conforms("R-01", "H-06", "H-09")
def test_requests(common_name: str, challenge: str, host: str) -> None:
    built = build_csr(
        subject={"common_name": common_name},
        key=keys.rsa(1),
        challenge_password=challenge,
        subject_alt_names=[GeneralName.dns(host)],
    )
    read = parse_csr(built.der)
    read.verify(provider=keys.provider())
    assert read.challenge_password == challenge
    assert read.subject == build_name({"common_name": common_name})
    assert read.subject_alt_names == (GeneralName.dns(host),)


@given(content=st.binary(max_size=3000), cipher=st.sampled_from(AES))
@FAST
@pytest.mark.conforms("E-01", "E-13")
def test_envelopes(content: bytes, cipher: ContentEncryptionAlgorithm) -> None:
    recipient = keys.client()
    octets = envelop(
        content,
        recipient=recipient.certificate,
        content_encryption_algorithm=cipher,
        provider=keys.provider(),
    )
    assert parse_enveloped_data(octets).decrypt([recipient], provider=keys.provider()) == content


@given(
    content=st.binary(max_size=3000),
    password=st.text(st.characters(exclude_categories=["Cs"]), min_size=16, max_size=60),
    others=st.lists(st.text(max_size=20), max_size=2),
    cipher=st.sampled_from(AES),
)
@settings(max_examples=40, deadline=None)
@pytest.mark.conforms("E-23", "E-24")
def test_envelopes_under_passwords(
    content: bytes, password: str, others: list[str], cipher: ContentEncryptionAlgorithm
) -> None:
    octets = envelop(
        content,
        recipient=keys.ec_client().certificate,
        password=password,
        content_encryption_algorithm=cipher,
        provider=keys.provider(),
    )
    passwords = [*others, password]
    parsed = parse_enveloped_data(octets)
    assert parsed.decrypt((), passwords, provider=keys.provider()) == content


@given(
    transaction_id=IDS,
    cipher=st.sampled_from(AES),
    digest=st.sampled_from(SHA2),
)
@FAST
@pytest.mark.conforms("M-18", "M-20", "X-05")
def test_messages(
    transaction_id: str, cipher: ContentEncryptionAlgorithm, digest: DigestAlgorithm
) -> None:
    assume(transaction_id.strip())
    responder = responders.new_responder()
    csr = responders.csr()
    exchange = pkcs_req(
        csr,
        identity=responders.self_signed(csr),
        ca=responders.trust(responder),
        transaction_id=transaction_id,
        algorithms=Algorithms(content_encryption_algorithm=cipher, digest_algorithm=digest),
    )
    read = parse_pki_message(exchange.message).verify_possession(provider=keys.provider())
    data = read.decrypt(responder.authority.recipients, ciphers=set(AES), provider=keys.provider())
    assert parse_request(read.message_type, data.octets) == PKCSReq(csr=csr)
    assert (read.transaction_id, read.digest_algorithm) == (transaction_id, digest)
    assert data.content_encryption_algorithm is cipher
    saved = exchange.transaction.to_json()
    assert Transaction.from_json(saved) == exchange.transaction
