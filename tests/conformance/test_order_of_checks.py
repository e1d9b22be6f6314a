"""The order in which a server checks a request (S-02): what is wrong first decides the answer.

Each message below is wrong in one step and in later ones; the answer is that of the first, and
nothing that belongs to a later step has happened.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

import pytest

from pyscep.algorithms import KeyEncryptionAlgorithm, SignatureAlgorithm
from pyscep.certificates import Identity
from pyscep.errors import MissingAttribute, ScepError, SignatureInvalid, WeakAlgorithm
from pyscep.handlers import Decision, EnrolmentRequest, Refuse
from pyscep.keys import PrivateKey
from pyscep.memory_store import MemoryStore
from pyscep.messages import FailInfo
from pyscep.pki_message import parse_pki_message
from pyscep.responder import Responder
from pyscep.store import Record
from tests.helpers import keys, responders
from tests.helpers.message_factory import Envelope, SignedMessage, request
from tests.helpers.tlv import algorithm, attribute, csr, name, null, printable

CHALLENGE = "1.2.840.113549.1.9.7"


@dataclass
class SpyingKey:
    """The CA's key, which counts how often it decrypts."""

    key: PrivateKey
    decrypted: int = 0

    @property
    def public_key(self) -> bytes:
        return self.key.public_key

    @property
    def signature_algorithms(self) -> AbstractSet[SignatureAlgorithm]:
        return self.key.signature_algorithms

    @property
    def key_encryption_algorithms(self) -> AbstractSet[KeyEncryptionAlgorithm]:
        return self.key.key_encryption_algorithms

    def sign(self, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        return self.key.sign(data, algorithm)

    def decrypt(self, ciphertext: bytes, algorithm: KeyEncryptionAlgorithm) -> bytes:
        self.decrypted += 1
        return self.key.decrypt(ciphertext, algorithm)


class Asked:
    """A handler that refuses with a reason of its own, and knows whether it was asked."""

    asked = 0

    def decide(self, request: EnrolmentRequest) -> Decision:
        self.asked += 1
        return Refuse(fail_info=FailInfo.BAD_TIME)


class LookedAt(MemoryStore):
    """A store that knows whether anybody looked into it."""

    looked_up = 0

    def get(self, transaction_id: str) -> Record | None:
        self.looked_up += 1
        return super().get(transaction_id)


@dataclass
class Server:
    """A responder whose every step can be seen."""

    key: SpyingKey = field(default_factory=lambda: SpyingKey(keys.rsa(0)))
    handler: Asked = field(default_factory=Asked)
    store: LookedAt = field(default_factory=LookedAt)

    @property
    def responder(self) -> Responder:
        right = responders.authority()
        recipient = Identity(certificate=right.issuer, key=self.key)
        return responders.new_responder(
            authority=replace(right, recipients=(recipient,)),
            handler=self.handler,
            store=self.store,
        )

    def answer(self, message: SignedMessage) -> int | None:
        octets = self.responder.answer(message.encode())
        return parse_pki_message(octets).verify_possession(provider=keys.provider()).fail_info

    @property
    def steps(self) -> tuple[int, int, int]:
        """How often something was decrypted, looked up, decided."""
        return self.key.decrypted, self.store.looked_up, self.handler.asked


ME = responders.self_signed(responders.csr())
GOOD = responders.csr()
PROVEN = csr(keys.rsa(3), subject=name("a"))


def unproven(der: bytes) -> bytes:
    """Return a request whose signature is broken."""
    return der[:-1] + bytes([der[-1] ^ 1])


def enveloped(content: bytes) -> bytes:
    return Envelope(recipient=responders.authority().issuer, content=content).encode()


def message(
    content: bytes | None, *, message_type: str = "19", digest: str = "sha256"
) -> SignedMessage:
    right = request(content=content, message_type=message_type, signer=ME)
    return replace(right, digest=digest)


@pytest.mark.conforms("S-02", "S-05", "A-15")
class TestOrder:
    def test_1_forbidden_algorithms_come_before_the_signature(self) -> None:
        server = Server()
        md5 = algorithm("1.2.840.113549.2.5", null())
        forbidden = replace(message(b"x"), digest_identifier=md5, signature=bytes(256))
        with pytest.raises(WeakAlgorithm):
            server.responder.answer(forbidden.encode())
        assert server.steps == (0, 0, 0)

    def test_2_the_signature_comes_before_the_attributes_of_scep(self) -> None:
        server = Server()
        for right in (
            message(enveloped(GOOD.der)),
            message(enveloped(GOOD.der)).without("senderNonce"),
            message(enveloped(GOOD.der), message_type="99"),
        ):
            with pytest.raises(SignatureInvalid):
                server.responder.answer(replace(right, signature=bytes(256)).encode())
        assert server.steps == (0, 0, 0)

    def test_3_the_attributes_come_before_the_envelope(self) -> None:
        server = Server()
        for dropped in ("senderNonce", "transactionID", "messageType"):
            with pytest.raises(MissingAttribute):
                server.responder.answer(message(b"no envelope").without(dropped).encode())
        for unknown in ("0", "1", "18", "23", "41", "019"):
            with pytest.raises(ScepError, match="messageType"):
                server.responder.answer(message(b"x", message_type=unknown).encode())
        assert server.steps == (0, 0, 0)

    def test_4_the_policy_on_hashes_comes_before_decryption(self) -> None:
        server = Server()
        assert server.answer(message(enveloped(b"x"), digest="sha1")) == FailInfo.BAD_ALG.value
        assert server.steps == (0, 0, 0)

    def test_5_the_type_comes_before_decryption(self) -> None:
        server = Server()
        reply = message(enveloped(b"x"), message_type="3").having("pkiStatus", printable("0"))
        assert server.answer(reply) == FailInfo.BAD_REQUEST.value
        assert server.steps == (0, 0, 0)

    def test_6_decryption_comes_before_everything_inside(self) -> None:
        server = Server()
        broken = Envelope(
            recipient=responders.authority().issuer,
            content=unproven(GOOD.der),
            encrypted_key=bytes(256),
        )
        assert server.answer(message(broken.encode())) == FailInfo.BAD_REQUEST.value
        assert server.steps == (1, 0, 0)

    def test_7_the_requests_signature_comes_before_the_binding_of_keys(self) -> None:
        server = Server()
        mine = message(enveloped(unproven(GOOD.der)))
        assert server.answer(mine) == FailInfo.BAD_MESSAGE_CHECK.value
        # Of a request for another key, nothing is said before it is proven (S-06).
        assert server.answer(message(enveloped(unproven(PROVEN)))) == FailInfo.BAD_REQUEST.value
        assert server.steps == (2, 0, 0)

    def test_8_the_binding_of_keys_comes_before_any_memory(self) -> None:
        server = Server()
        assert server.answer(message(enveloped(PROVEN))) == FailInfo.BAD_REQUEST.value
        renewal = message(enveloped(GOOD.der), message_type="17")
        assert server.answer(renewal) == FailInfo.BAD_REQUEST.value
        assert server.steps == (2, 0, 0)

    def test_9_memory_comes_before_policy(self) -> None:
        server = Server()
        sent = message(enveloped(GOOD.der))
        responders.new_responder(store=server.store).answer(sent.encode())
        other = responders.csr(challenge_password="other")
        assert server.answer(message(enveloped(other.der))) == FailInfo.BAD_REQUEST.value
        assert server.answer(sent) is None
        assert server.handler.asked == 0

    def test_10_policy_has_the_last_word(self) -> None:
        server = Server()
        assert server.answer(message(enveloped(GOOD.der))) == FailInfo.BAD_TIME.value
        assert server.handler.asked == 1


@pytest.mark.conforms("H-14", "S-06")
@pytest.mark.parametrize(
    "attributes",
    [
        (attribute(CHALLENGE, printable("right")), attribute(CHALLENGE, printable("right"))),
        (attribute(CHALLENGE, printable("right"), printable("wrong")),),
        (attribute(CHALLENGE, printable("")),),
        (attribute(CHALLENGE),),
    ],
    ids=["twice", "two values", "empty", "none"],
)
def test_an_ambiguous_challenge_reaches_no_handler(attributes: tuple[bytes, ...]) -> None:
    server = Server()
    ambiguous = csr(keys.rsa(1), subject=name("a"), attributes=attributes)
    assert server.answer(message(enveloped(ambiguous))) == FailInfo.BAD_REQUEST.value
    assert server.steps == (1, 0, 0)
