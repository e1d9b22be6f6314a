"""GetCRL replies of any size."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.material import CIPHER, DAY, DIGEST, Material
from pyscep.begin import get_crl
from pyscep.exchange import CrlQuery, ReplyRules
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.limits import Limits
from pyscep.messages import CertRep, PkiStatus
from pyscep.pki_message import encode_cert_rep, parse_pki_message
from pyscep.transaction import CrlSuccess

LIMITS = replace(Limits(), message_size=64 * 1024 * 1024)
FIRST_SERIAL = 2**126


@dataclass(frozen=True)
class CrlReply:
    """A GetCRL, and the reply to it."""

    query: CrlQuery
    crl: bytes
    reply: bytes

    @classmethod
    def create(cls, material: Material, entries: int) -> CrlReply:
        """Make a CRL with that many entries, and the reply that carries it."""
        when = material.now - DAY
        crl = material.ca.crl(
            at=material.now, revoked={FIRST_SERIAL + number: when for number in range(entries)}
        )
        query = get_crl(
            IssuerAndSerialNumber.of(material.identity.certificate),
            identity=material.identity,
            ca=material.trusted,
            rules=ReplyRules(limits=LIMITS),
            provider=material.provider,
        )
        request = parse_pki_message(query.message).verify_possession(provider=material.provider)
        reply = encode_cert_rep(
            CertRep(pki_status=PkiStatus.SUCCESS, crl=crl),
            request=request,
            sender_nonce=bytes(16),
            identity=material.ca.signer,
            content_encryption_algorithm=CIPHER,
            digest_algorithm=DIGEST,
            provider=material.provider,
        )
        return cls(query=query, crl=crl, reply=reply)

    def read(self) -> CrlSuccess:
        """Parse and verify the reply and the CRL in it."""
        result = self.query.receive(self.reply)
        if not isinstance(result, CrlSuccess):
            raise SystemExit(f"The reply is a {type(result).__name__}.")
        return result
