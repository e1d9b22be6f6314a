"""A responder for devices that Microsoft Intune manages: Intune decides, and hears of the result.

Intune is played by a function here. With the real one, ``send`` is a RequestsTransport, the
endpoint comes from Microsoft Graph, and the access token from your identity library.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pyscep
from pyscep.intune import IntuneHandler
from pyscep.memory_store import MemoryStore
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa


def now() -> datetime:
    return datetime.now(timezone.utc)


def intune(request: pyscep.HttpRequest) -> pyscep.HttpResponse:
    """Agree to one request that was sealed for one device."""
    action = request.url.rpartition("/")[2]
    asked = json.loads(request.body)
    body = asked.get("request") or asked["notification"]
    print(f"   Intune hears {action} for transaction {body['transactionId']}")
    code = "Success" if "certificateRequest" in body else "InvalidRequest"
    return pyscep.HttpResponse(status=200, body=json.dumps({"code": code}).encode())


def main() -> None:
    handler = IntuneHandler(
        endpoint="https://fef.example/StatelessScepRequestValidationService",
        send=intune,
        access_token=lambda: "a token for Intune",
        random_bytes=pyscep.default_provider().random_bytes,
        caller_info="gateway of the example",
    )
    authority = EphemeralCa.create(now=now() - timedelta(days=1))
    responder = Responder(authority=authority, handler=handler, store=MemoryStore(), now=now)

    client = pyscep.Client("http://in.memory/scep", send=responder.handle)
    ca = client.get_ca_cert().authenticate(sha256=authority.root.sha256_fingerprint, at=now())
    key = pyscep.default_provider().generate_rsa_key(2048)
    sealed = "what Intune gave the device " * 100
    csr = pyscep.build_csr(subject="CN=laptop", key=key, challenge_password=sealed)
    identity = pyscep.self_signed_identity(
        csr, key=key, not_before=now(), lifetime=timedelta(days=1)
    )
    reply = client.enrol(csr, identity=identity, ca=ca)
    print(f"{type(reply).__name__}: delivered after Intune had agreed twice")


if __name__ == "__main__":
    main()
