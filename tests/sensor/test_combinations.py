"""Every combination of cipher, signature hash, digest and key size enrols and renews as chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.certificates import rsa_bits_of
from pyscep.messages import CertRep
from pyscep.pki_message import VerifiedMessage
from pyscep.responder import AES_CIPHERS, SHA2_DIGESTS, Responder, standard_encoder
from sensor_parts.settings import CIPHERS, DIGESTS, KEY_SIZES
from sensor_parts.storage import State
from tests.helpers import responders, sensors
from tests.helpers.sensors import Clock, Moody

URL = "http://ca.example/scep"


@dataclass
class Observer:
    """Encodes replies as usual, and keeps what requests were made with."""

    seen: list[tuple[DigestAlgorithm, ContentEncryptionAlgorithm]] = field(default_factory=list)

    def __call__(
        self,
        responder: Responder,
        request: VerifiedMessage,
        reply: CertRep,
        cipher: ContentEncryptionAlgorithm,
    ) -> bytes:
        self.seen.append((request.digest_algorithm, cipher))
        return standard_encoder(responder, request, reply, cipher)


@pytest.mark.conforms("C-19", "E-10", "M-36", "R-19", "W-05")
@pytest.mark.parametrize("size", sorted(KEY_SIZES))
@pytest.mark.parametrize("digest", [*DIGESTS, None])
@pytest.mark.parametrize("signature", DIGESTS)
@pytest.mark.parametrize("cipher", CIPHERS)
def test_combination(
    tmp_path: Path, cipher: str, signature: str, digest: str | None, size: int
) -> None:
    observer, handler, clock = Observer(), Moody(), Clock()
    responder = responders.new_responder(
        handler=handler,
        now=clock.now,
        encoder=observer,
        ciphers=AES_CIPHERS | {ContentEncryptionAlgorithm.DES_EDE3_CBC},
        digests=SHA2_DIGESTS | {DigestAlgorithm.SHA1},
        minimum_rsa_bits=1024,
    )
    table = sensors.network_table(
        URL,
        encryption_algorithm=cipher,
        signature_algorithm=signature,
        rsa_key_size=size,
        root_ca_fingerprint=responder.authority.issuer.sha256_fingerprint,
        **({} if digest is None else {"digest_algorithm": digest}),
    )
    settings = sensors.settings_for(tmp_path, table)
    (network,) = sensors.start(settings, clock, responder.handle)
    status = network.step()
    assert status.state is State.ACTIVE, status.message
    status = sensors.step_at_next(network, clock, status)
    assert status.state is State.ACTIVE, status.message

    expected = (DIGESTS[digest or signature], CIPHERS[cipher])
    assert observer.seen == [expected, expected]
    enrolment, renewal = handler.seen
    for request in (enrolment, renewal):
        assert request.csr.signature_algorithm.digest is DIGESTS[signature]
        assert rsa_bits_of(request.csr.public_key) == size
    self_signed = enrolment.signer.asn1()
    assert self_signed.hash_algo == DIGESTS[signature].name.lower()
    assert renewal.signer.issuer == responder.authority.issuer.subject
