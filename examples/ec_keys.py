"""A device and a CA that both have EC keys only: the challenge password encrypts.

The CA here is the library's own, on no network at all; see enrol.py for a real one.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pyscep
from pyscep.cms_password import PASSWORD_LENGTH_MIN
from pyscep.handlers import ApprovalHandler, static_challenge
from pyscep.memory_store import MemoryStore
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa

CHALLENGE = "4q9TzW2mKx7RfYcB"


def main() -> None:
    now = datetime.now(timezone.utc)
    provider = pyscep.default_provider()
    responder = Responder(
        authority=EphemeralCa.create(now=now, key=provider.generate_ec_key("secp256r1")),
        handler=ApprovalHandler(handler=static_challenge(CHALLENGE)),
        # What requests to a CA without RSA key may be encrypted with.
        challenge_passwords=lambda _: [CHALLENGE],
        store=MemoryStore(),
        now=lambda: now,
    )
    client = pyscep.Client("http://in.memory/scep", send=responder.handle)
    fingerprint = responder.authority.issuer.sha256_fingerprint
    ca = client.get_ca_cert().authenticate(sha256=fingerprint, at=now, encrypt_with_challenge=True)

    key = provider.generate_ec_key("secp256r1")
    try:
        enrol(client, ca, key, "secret", now)
    except pyscep.KeyCapabilityError as error:
        print(f"1. Nothing was sent: {error}")

    reply, identity = enrol(client, ca, key, CHALLENGE, now)
    if not isinstance(reply, pyscep.Pending):
        raise SystemExit("the CA decided at once")
    print(f"2. Pending, under a challenge password of {PASSWORD_LENGTH_MIN} characters or more.")

    responder.approve(reply.transaction.transaction_id)
    # The transaction keeps no secret, so a poll has to be given the challenge password again.
    polled = client.poll(reply.transaction, identity=identity, ca=ca, challenge_password=CHALLENGE)
    print(f"3. Approved: {pyscep.require_success(polled).certificate.subject}.")


def enrol(
    client: pyscep.Client,
    ca: pyscep.TrustedCa,
    key: pyscep.PrivateKey,
    challenge_password: str,
    now: datetime,
) -> tuple[pyscep.Reply, pyscep.Identity]:
    csr = pyscep.build_csr(subject="CN=sensor-17", key=key, challenge_password=challenge_password)
    identity = pyscep.self_signed_identity(
        csr, key=key, not_before=now, lifetime=timedelta(days=30)
    )
    return client.enrol(csr, identity=identity, ca=ca), identity


if __name__ == "__main__":
    main()
