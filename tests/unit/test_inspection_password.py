"""Envelopes that a password opens: what is seen without it, and with it; what is never shown."""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import Any

import pytest

from pyscep.begin import pkcs_req, renewal_req
from pyscep.errors import UsageError
from pyscep.exchange import Exchange
from pyscep.inspection import Departure, Inspection, inspect
from pyscep.inspection.password import SeenPasswordRecipient
from pyscep.limits import Limits
from tests.helpers import key_kinds, keys, responders, tlv
from tests.helpers.key_kinds import CHALLENGE
from tests.helpers.message_factory import Envelope, request
from tests.helpers.password_recipient import (
    AES_OIDS,
    CONTENT_KEY,
    PASSWORD,
    PBKDF2,
    PWRI_KEK,
    PasswordRecipientInfo,
    envelope,
)

GOOD = PasswordRecipientInfo()
CSR = key_kinds.csr("EC")
PLAIN = GOOD.encode()


def look(octets: bytes, **options: Any) -> Inspection:
    return inspect(octets, provider=keys.provider(), **options)


def found(seen: Inspection) -> dict[Departure, str]:
    return {each.departure: each.text for each in seen.findings}


def recipient(seen: Inspection) -> SeenPasswordRecipient:
    assert seen.password_recipient is not None
    return seen.password_recipient


def enrolment(client: str, ca: str) -> Exchange:
    return pkcs_req(
        key_kinds.csr(client),
        identity=key_kinds.self_signed(client),
        ca=responders.trust(key_kinds.new_responder(ca)),
        provider=keys.provider(),
    )


# ---------------------------------------------------------------------------------- the structure


@pytest.mark.conforms("E-23", "E-25")
def test_what_is_seen_without_a_password() -> None:
    seen = look(envelope(GOOD.encode()))
    assert recipient(seen) == SeenPasswordRecipient(
        key_derivation="PBKDF2",
        pseudo_random_function="HMAC_SHA256",
        iterations=10,
        salt_size=4,
        key_encryption="PWRI-KEK",
        content_encryption_algorithm="AES128_CBC",
        findings=(),
    )
    assert seen.to_json_object()["password_recipient"] == {
        "key_derivation": "PBKDF2",
        "pseudo_random_function": "HMAC_SHA256",
        "iterations": 10,
        "salt_size": 4,
        "key_encryption": "PWRI-KEK",
        "content_encryption_algorithm": "AES128_CBC",
    }
    assert (seen.key_encryption_algorithm, seen.decrypted) == ("PASSWORD", False)


@pytest.mark.conforms("E-25")
@pytest.mark.parametrize(
    ("changes", "prf"),
    [
        ({"digest": "sha1"}, "HMAC_SHA1"),
        ({"digest": "sha512"}, "HMAC_SHA512"),
        ({"key_length": tlv.integer(16)}, "HMAC_SHA256"),
        ({"prf": tlv.algorithm("1.2.3")}, "1.2.3"),
    ],
)
def test_pseudo_random_functions(changes: dict[str, Any], prf: str) -> None:
    seen = look(envelope(replace(GOOD, **changes).encode()))
    assert recipient(seen).pseudo_random_function == prf
    assert (Departure.KEY_DERIVATION in found(seen)) is (prf == "1.2.3")


def derivation(oid: str, *parameters: bytes) -> bytes:
    return tlv.explicit(0, tlv.oid(oid), *parameters)


def inner(oid: str, iv: bytes = bytes(16)) -> bytes:
    return tlv.algorithm(PWRI_KEK, tlv.algorithm(oid, tlv.octets(iv)))


@pytest.mark.conforms("E-12", "E-14", "E-23", "E-25")
@pytest.mark.parametrize(
    ("changes", "departure", "text"),
    [
        ({"derivation": b""}, Departure.PASSWORD_FORM, "does not say how"),
        ({"derivation": derivation("1.2.3")}, Departure.PASSWORD_FORM, "by 1.2.3, not by PBKDF2"),
        ({"derivation": derivation(PBKDF2)}, Departure.PASSWORD_FORM, "lack the salt"),
        (
            {"derivation": derivation(PBKDF2, tlv.seq(tlv.integer(5)))},
            Departure.PASSWORD_FORM,
            "lack the salt",
        ),
        ({"encryption": tlv.algorithm("1.2.3")}, Departure.PASSWORD_FORM, "by 1.2.3, not by PWRI"),
        ({"encryption": b""}, Departure.PASSWORD_FORM, "by ?, not by PWRI"),
        ({"encrypted_key": bytes(16)}, Departure.PASSWORD_FORM, "has 16 bytes"),
        ({"encrypted_key": bytes(47)}, Departure.PASSWORD_FORM, "has 47 bytes"),
        ({"iterations": 10**9, "counted": 1}, Departure.KEY_DERIVATION, "do 1000000000 iter"),
        ({"iterations": 0, "counted": 1}, Departure.KEY_DERIVATION, "do 0 iterations"),
        ({"iterations": 1 << 50_000, "counted": 1}, Departure.KEY_DERIVATION, "a number of iter"),
        ({"encryption": inner("1.3.14.3.2.7", bytes(8))}, Departure.SINGLE_DES, "content key"),
        ({"encryption": inner("1.2.840.113549.3.7", bytes(8))}, Departure.TRIPLE_DES, "key is"),
        ({"encryption": inner(AES_OIDS[32])}, Departure.OTHER_AES, "content key is"),
        ({"encryption": inner("1.2.3")}, Departure.UNKNOWN_CIPHER, "content key is"),
        ({"encryption": inner(AES_OIDS[16], b"short")}, Departure.IV, "content key has 5 bytes"),
    ],
)
def test_what_is_found_fault_with(changes: dict[str, Any], departure: Departure, text: str) -> None:
    seen = look(envelope(replace(GOOD, **changes).encode()), passwords=[PASSWORD])
    assert text in found(seen)[departure]
    assert seen.to_json_object()["password_recipient"]


def test_the_limits_are_those_of_the_caller() -> None:
    octets = envelope(GOOD.encode())
    seen = look(octets, passwords=[PASSWORD], limits=Limits(message_kdf_iterations=9))
    assert "from 1 to 9 are read" in found(seen)[Departure.KEY_DERIVATION]
    assert "message_kdf_iterations" in found(seen)[Departure.OTHER_KEY]


@pytest.mark.parametrize("cut", range(4, len(PLAIN), 3))
def test_one_that_is_cut_is_seen_as_far_as_it_goes(cut: int) -> None:
    assert look(envelope(PLAIN[:cut]), passwords=[PASSWORD]).kind.value == "enveloped_data"


# ---------------------------------------------------------------------------------------- opening


@pytest.mark.conforms("E-04", "E-24")
@pytest.mark.parametrize(("client", "ca"), [("EC", "EC"), ("EC", "RSA"), ("RSA", "EC")])
def test_both_ways(client: str, ca: str) -> None:
    exchange = enrolment(client, ca)
    reply = key_kinds.new_responder(ca).answer(exchange.message)
    for octets, reader in ((exchange.message, ca), (reply, client)):
        own = key_kinds.key(reader, 0 if octets is exchange.message else 1)
        by_password = reader == "EC"
        closed = look(octets, keys=[own] if by_password else [], passwords=[])
        assert (closed.decrypted, closed.csr) == (False, None)
        opened = look(octets, keys=[own], passwords=["another one", CHALLENGE])
        assert opened.decrypted is True
        assert (opened.password_recipient is not None) is by_password
        assert Departure.OTHER_KEY not in found(opened)
        if octets is reply:
            assert len(opened.certificates or ()) == 2
        else:
            assert opened.csr is not None
            assert opened.csr.has_challenge
    assert Departure.OTHER_RECIPIENT not in found(look(reply, request=exchange.message))


@pytest.mark.parametrize(("passwords", "opens"), [([PASSWORD], True), (["wrong"], False), ([], 0)])
def test_which_password(passwords: list[str], opens: bool) -> None:
    octets = request(content=envelope(GOOD.encode(), content=CSR.der)).encode()
    seen = look(octets, passwords=passwords)
    assert seen.decrypted is bool(opens)
    assert (Departure.OTHER_KEY in found(seen)) is (passwords == ["wrong"])


def test_a_key_or_a_password() -> None:
    to_ca = Envelope(recipient=keys.ca().certificate, content=b"").encode_recipient(CONTENT_KEY)
    octets = envelope(to_ca, GOOD.encode(), content=CSR.der)
    for options in ({"keys": [keys.ca().key]}, {"passwords": [PASSWORD]}):
        assert look(octets, **options).decrypted
    neither = look(octets, keys=[keys.rsa(2), keys.rsa(3)], passwords=["wrong"])
    assert "the given keys (2) and passwords (1)" in found(neither)[Departure.OTHER_KEY]


@pytest.mark.conforms("H-02", "E-26")
def test_a_renewal_may_need_its_challenge() -> None:
    for client, ca in (("RSA", "RSA"), ("EC", "RSA"), ("RSA", "EC")):
        exchange = renewal_req(
            key_kinds.csr(client, 2),
            identity=key_kinds.certified(client, by=ca),
            ca=responders.trust(key_kinds.new_responder(ca)),
            provider=keys.provider(),
        )
        seen = look(exchange.message, keys=[key_kinds.key(ca, 0)], passwords=[CHALLENGE])
        assert seen.decrypted
        needless = Departure.CHALLENGE_IN_RENEWAL in found(seen)
        assert needless is ((client, ca) == ("RSA", "RSA"))


# ---------------------------------------------------------------------------------------- secrets


@pytest.mark.conforms("H-10", "S-24")
@pytest.mark.parametrize("password", [CHALLENGE, "marked and wrong, but a secret"])
def test_no_password_is_shown(password: str) -> None:
    exchange = enrolment("EC", "EC")
    reply = key_kinds.new_responder("EC").answer(exchange.message)
    for octets in (exchange.message, reply, envelope(GOOD.encode())):
        seen = look(octets, passwords=[password])
        told = f"{seen!r}{seen.to_json_object()}{seen.details}"
        for secret in (password, CHALLENGE):
            assert secret not in told
            assert secret.encode().hex() not in told


@pytest.mark.conforms("S-24")
def test_nor_in_a_traceback() -> None:
    with pytest.raises(UsageError) as caught:
        look(reply_like(), passwords=["marked, and a secret"], request=b"none")
    shown = "".join(traceback.TracebackException.from_exception(
        caught.value, capture_locals=True
    ).format())  # fmt: skip
    frames = [frame for frame in traceback.extract_tb(caught.value.__traceback__)
              if "/pyscep/inspection/" in frame.filename]  # fmt: skip
    assert frames == []
    assert "is no request of SCEP" in shown


def reply_like() -> bytes:
    return request(content=envelope(GOOD.encode())).encode()
