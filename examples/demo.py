"""The whole of SCEP in one run: a server on loopback, an enrolment over real HTTP, a renewal.

Every step is printed. Start it with ``sh tools/demo.sh``, or with ``python examples/demo.py``
where pyscep is installed.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pyscep
from pyscep.handlers import static_challenge
from pyscep.memory_store import MemoryStore
from pyscep.responder import Responder
from pyscep.testing import EphemeralCa, ScepServer
from pyscep.transport import RequestsTransport

CHALLENGE_PASSWORD = "only-for-this-demo"


def now() -> datetime:
    return datetime.now(timezone.utc)


def step(number: int, title: str) -> None:
    print(f"\n{number}. {title}")


def show(name: str, value: object) -> None:
    print(f"   {name:<22} {value}")


def show_certificate(certificate: pyscep.Certificate) -> None:
    show("subject", certificate.subject)
    show("issuer", certificate.issuer)
    show("serial number", f"{certificate.serial_number:x}")
    show("valid from", f"{certificate.not_before:%Y-%m-%d %H:%M:%S} UTC")
    show("valid to", f"{certificate.not_after:%Y-%m-%d %H:%M:%S} UTC")
    show("alternative names", ", ".join(n.value for n in certificate.subject_alt_names) or "-")
    show("SHA-256", certificate.sha256_fingerprint)


def request(key: pyscep.PrivateKey, challenge_password: str | None) -> pyscep.CertificationRequest:
    return pyscep.build_csr(
        subject={"common_name": "sensor-17"},
        key=key,
        challenge_password=challenge_password,
        subject_alt_names=[pyscep.GeneralName.dns("sensor-17.example")],
    )


def enrol(client: pyscep.Client, ca: pyscep.TrustedCa) -> pyscep.Identity:
    step(4, "Enrol: PKCSReq, authorised by the challenge password")
    key = pyscep.default_provider().generate_rsa_key(2048)
    csr = request(key, CHALLENGE_PASSWORD)
    signer = pyscep.self_signed_identity(csr, key=key, not_before=now(), lifetime=timedelta(days=7))
    issued = pyscep.require_success(client.enrol(csr, identity=signer, ca=ca))
    show_certificate(issued.certificate)
    show("chain is complete", issued.chain.is_complete)
    return pyscep.Identity(certificate=issued.certificate, key=key)


def renew(client: pyscep.Client, ca: pyscep.TrustedCa, old: pyscep.Identity) -> None:
    step(5, "Renew: RenewalReq, authorised by the certificate just issued, for a new key")
    key = pyscep.default_provider().generate_rsa_key(2048)
    renewed = pyscep.require_success(client.renew(request(key, None), identity=old, ca=ca))
    show_certificate(renewed.certificate)


def refuse(client: pyscep.Client, ca: pyscep.TrustedCa) -> None:
    step(6, "A wrong challenge password is a Failure with an explanation")
    key = pyscep.default_provider().generate_rsa_key(2048)
    csr = request(key, "wrong")
    signer = pyscep.self_signed_identity(csr, key=key, not_before=now(), lifetime=timedelta(days=7))
    reply = client.enrol(csr, identity=signer, ca=ca)
    if not isinstance(reply, pyscep.Failure):
        raise SystemExit("the server accepted a wrong challenge password")
    show("failInfo", reply.fail_info.rfc_name if reply.fail_info else "-")
    show("explanation", reply.explanation)


def main() -> None:
    step(1, "A CA and a SCEP server on loopback")
    authority = EphemeralCa.create(separate_ra=True, subject="CN=Demo CA,O=Example")
    responder = Responder(
        authority=authority,
        handler=static_challenge(CHALLENGE_PASSWORD),
        store=MemoryStore(),
        now=now,
    )
    fingerprint = authority.root.sha256_fingerprint
    with ScepServer(responder.handle) as server, RequestsTransport(timeout=10) as send:
        client = pyscep.Client(server.url, send=send)
        show("URL", server.url)
        show("root fingerprint", fingerprint)

        step(2, "GetCACaps: what the server can")
        capabilities = client.get_ca_caps()
        chosen = capabilities.select()
        show("announced", ", ".join(sorted(k.value for k in capabilities.keywords)))
        show("cipher", chosen.content_encryption_algorithm.name)
        show("digest", chosen.digest_algorithm.name)
        show("HTTP method", chosen.http_method.value)

        step(3, "GetCACert: authenticated by the fingerprint that the operator knows")
        ca = client.get_ca_cert().authenticate(sha256=fingerprint, at=now())
        show("issuing CA", ca.issuer.subject)
        show("signs replies", ca.signers[0].subject)
        show("receives requests", ca.recipient.subject)

        identity = enrol(client, ca)
        renew(client, ca, identity)
        refuse(client, ca)

        step(7, "What went over the wire")
        for entry in server.log:
            operation = entry.request.url.partition("operation=")[2].partition("&")[0]
            size = f"{len(entry.request.body)} bytes out, {len(entry.response.body)} bytes back"
            show(f"{entry.request.method} {operation}", size)
        server.check()
    print("\nDone.")


if __name__ == "__main__":
    main()
