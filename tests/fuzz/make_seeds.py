"""Write the seeds of all harnesses anew: ``python -m tests.fuzz.make_seeds``.

They stand in the tree, so that a run begins at the same place as the one before. Write them anew
when a harness has changed.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.begin import cert_poll, pkcs_req, renewal_req
from pyscep.capabilities import Algorithms, HttpMethod
from pyscep.cms_signed import degenerate
from pyscep.crypto.key_files import KeyEncoding, KeyFormat, encrypt_pkcs8
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.extensions import GeneralName, microsoft_template
from pyscep.handlers import static_challenge
from pyscep.http import HttpRequest, pki_operation
from pyscep.pkcs10 import build_csr
from pyscep.pki_message import parse_pki_message
from pyscep.testing.vectors import build_vectors
from pyscep.testing.vectors.model import Content
from pyscep.testing.vectors.parties import public_test_key
from pyscep.transaction import Pending
from tests.fuzz import glass, harnesses
from tests.helpers import tlv as t
from tests.helpers.keys import certify
from tests.helpers.message_factory import request, to_ber
from tests.helpers.password_recipient import PasswordRecipientInfo, envelope

# Of the vectors, those that differ in more than an algorithm.
MESSAGES = (
    "requests/pkcs-req-aes128-sha256",
    "requests/pkcs-req-aes256-sha512",
    "requests/renewal-req-aes128-sha256",
    "requests/cert-poll-aes128-sha256",
    "requests/get-cert-aes128-sha256",
    "requests/get-crl-aes128-sha1",
    "requests/drafted-envelope-in-pieces",
    "requests/drafted-with-signing-time",
    "replies/success-to-pkcs-req-3des-sha1",
    "replies/success-to-get-crl-aes128-sha256",
    "replies/success-to-pkcs-req-aes128-sha256-oaep-sha1",
    "replies/failure-with-text",
    "replies/drafted-ndes-failure",
    "replies/drafted-bag-in-ber",
    "replies/drafted-indefinite-lengths",
)
TEXTS = {
    "dns": "DNS:a.example",
    "mail": "email:a@example.com",
    "address": "IP:192.0.2.1",
    "address-6": "IP:2001:db8::1",
    "uri": "URI:https://a.example/b",
    "directory": "dirName:CN=a,O=b",
    "upn": "UPN:a@example.com",
    "registered": "RID:1.2.3",
}


def requests() -> dict[str, bytes]:
    """Return what clients send, seen through."""
    ca = glass.trusted_ca()
    first = pkcs_req(
        glass.csr("client-old"),
        identity=glass.identity("client-old"),
        ca=ca,
        transaction_id="glass",
        provider=glass.PROVIDER,
    )
    pending = first.receive(glass.approving().answer(first.message))
    assert isinstance(pending, Pending)
    poll = cert_poll(
        pending.transaction,
        identity=glass.identity("client-old"),
        ca=ca,
        provider=glass.PROVIDER,
    )
    renewal = renewal_req(
        glass.csr("client-new", challenge_password=None),
        identity=glass.issued(),
        ca=ca,
        transaction_id="glass-2",
        provider=glass.PROVIDER,
        algorithms=Algorithms(
            content_encryption_algorithm=ContentEncryptionAlgorithm.DES_EDE3_CBC,
            digest_algorithm=DigestAlgorithm.SHA1,
        ),
    )
    return {
        "pkcs-req.der": first.message,
        "pkcs-req.ber": to_ber(first.message),
        "cert-poll.der": poll.message,
        "renewal-req.der": renewal.message,
        "get-cert.der": harnesses.certificate_query().message,
        "get-crl.der": harnesses.crl_query().message,
    }


def requests_by_password() -> dict[str, bytes]:
    """Return what clients send to a CA whose key decrypts nothing."""
    ca = glass.trusted_ca("ec-ca")
    first = harnesses.enrolment("ec-client-old", "ec-ca")
    pending = first.receive(glass.approving("ec-ca").answer(first.message))
    assert isinstance(pending, Pending)
    poll = cert_poll(
        pending.transaction,
        identity=glass.identity("ec-client-old"),
        ca=ca,
        challenge_password=glass.CHALLENGE,
        provider=glass.PROVIDER,
    )
    return {
        "pkcs-req.der": first.message,
        "pkcs-req.ber": to_ber(first.message),
        "pkcs-req-rsa.der": harnesses.enrolment("client-old", "ec-ca").message,
        "cert-poll.der": poll.message,
    }


def password_recipients() -> dict[str, bytes]:
    """Return password recipients that open, in what may differ, and two that ask for much."""
    right = PasswordRecipientInfo(password=harnesses.PASSWORD.encode())
    changed = {
        "sha256": right,
        "sha1": replace(right, digest="sha1"),
        "sha512-key-length": replace(right, digest="sha512", key_length=t.integer(16)),
        "aes256": replace(right, key_size=32),
        "long-content-key": replace(right, content_key=bytes(range(24))),
        "many": replace(right, iterations=100_001, counted=1),
        "without-derivation": replace(right, derivation=b""),
    }
    return {f"{name}.der": each.encode() for name, each in changed.items()}


def replies() -> dict[str, dict[str, bytes]]:
    """Return what servers answer, seen through, by harness."""
    sent = requests()
    issuing, waiting = glass.responder(), glass.approving()
    success = issuing.answer(sent["pkcs-req.der"])
    crl = issuing.answer(sent["get-crl.der"])
    failure = issuing.answer(sent["get-cert.der"])
    by_password = requests_by_password()["pkcs-req.der"]
    wrong = glass.responder(static_challenge("another"), "ec-ca")
    ra = replace(issuing, send_chain=True, store=glass.responder().store)
    return {
        "reply": {
            "success.der": success,
            "success.ber": to_ber(success),
            "success-with-chain.der": ra.answer(sent["pkcs-req.der"]),
            "pending.der": waiting.answer(sent["pkcs-req.der"]),
            "failure.der": glass.responder().answer(
                pkcs_req(
                    glass.csr("client-old", challenge_password="no"),
                    identity=glass.identity("client-old"),
                    ca=glass.trusted_ca(),
                    transaction_id="glass",
                    provider=glass.PROVIDER,
                ).message
            ),
        },
        "reply-by-password": {
            "success.der": glass.responder(name="ec-ca").answer(by_password),
            "success.ber": to_ber(glass.responder(name="ec-ca").answer(by_password)),
            "pending.der": glass.approving("ec-ca").answer(by_password),
            "failure.der": wrong.answer(by_password),
        },
        "reply-to-get-cert": {"failure.der": failure, "success.der": answer_with_certificate()},
        "reply-to-get-crl": {"success.der": crl},
    }


def answer_with_certificate() -> bytes:
    """Return the SUCCESS to a GetCert."""
    from pyscep.messages import CertRep, PkiStatus
    from pyscep.pki_message import encode_cert_rep

    query = parse_pki_message(harnesses.certificate_query().message)
    return encode_cert_rep(
        CertRep(pki_status=PkiStatus.SUCCESS, certificates=(glass.issued().certificate.der,)),
        request=query.verify_possession(provider=glass.PROVIDER),
        sender_nonce=bytes(16),
        identity=glass.identity("ca"),
        content_encryption_algorithm=ContentEncryptionAlgorithm.AES128_CBC,
        digest_algorithm=DigestAlgorithm.SHA256,
        provider=glass.PROVIDER,
    )


def keys() -> dict[str, bytes]:
    """Return key files of every kind that is read."""
    provider = OscryptoProvider()
    key = provider.load_private_key(public_test_key("short"))
    plain = provider.dump_private_key(key, encoding=KeyEncoding.DER)
    return {
        "pkcs8.pem": public_test_key("short"),
        "pkcs8.der": plain,
        "pkcs1.der": provider.dump_private_key(
            key, encoding=KeyEncoding.DER, format=KeyFormat.PKCS1
        ),
        "pkcs8-encrypted.der": _encrypted(plain),
        "pkcs1.pem": provider.dump_private_key(key, format=KeyFormat.PKCS1),
        "sec1.der": ec_key(serialization.PrivateFormat.TraditionalOpenSSL),
        "pkcs8-ec.der": ec_key(serialization.PrivateFormat.PKCS8),
    }


def _encrypted(pkcs8: bytes) -> bytes:
    """Protect a key with fewer iterations than pyscep writes."""
    return encrypt_pkcs8(
        pkcs8,
        harnesses.PASSWORD,
        iterations=100,
        salt=bytes(8),
        iv=bytes(16),
        encrypt_content=OscryptoProvider().encrypt_content,
    )


def ec_key(form: serialization.PrivateFormat) -> bytes:
    """Return the same key each time."""
    key = ec.derive_private_key(4711, ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())


def seeds() -> dict[str, dict[str, bytes]]:
    """Return all seeds by harness and name."""
    vectors = {vector.name: vector for vector in build_vectors().vectors}
    ca = glass.identity("ca").certificate
    csr = build_csr(
        subject="CN=a,O=b+OU=c",
        key=OscryptoProvider().load_private_key(public_test_key("short")),
        challenge_password="secret",
        subject_alt_names=[GeneralName.dns("a.example"), GeneralName.ip("192.0.2.1")],
        extra_extensions=[microsoft_template("1.2.3", major_version=1, minor_version=2)],
    )
    successor = glass.responder().handle(HttpRequest(method="GET", url="/?operation=GetNextCACert"))
    crl = glass.responder().crl()
    sent, answers = requests(), replies()
    recipients = password_recipients()
    get = pki_operation("http://h/s", sent["get-crl.der"], method=HttpMethod.GET)
    caps = {
        f"{v.name.partition('/')[2]}.txt": v.octets
        for v in vectors.values()
        if v.content is Content.CA_CAPS
    }
    return {
        "pki-message": {f"{name.partition('/')[2]}.der": vectors[name].octets for name in MESSAGES},
        "request": sent,
        "request-by-password": requests_by_password(),
        **answers,
        "envelope": {
            f"{name.partition('/')[2]}.der": content
            for name in MESSAGES
            if len(content := _content(vectors[name].octets)) > 1
        }
        | {f"by-password-{name}": envelope(each) for name, each in recipients.items()}
        | {"two-recipients.der": envelope(recipients["sha1.der"], recipients["sha256.der"])},
        "password-recipient": recipients,
        "ca-certificates": {
            "one.der": ca.der,
            "one.pem": ca.pem().encode(),
            "bag.der": degenerate([glass.issued().certificate.der, ca.der]),
            "with-ra.der": degenerate([glass.identity("ra-sign").certificate.der, ca.der]),
        },
        "next-ca-certificates": {"nested.der": successor.body},
        "capabilities": caps,
        "csr": {"full.der": csr.der, "full.pem": _pem("CERTIFICATE REQUEST", csr.der)},
        "certificate": {
            "ca.der": ca.der,
            "client.pem": glass.issued().certificate.pem().encode(),
            **{
                f"{name.partition('/')[2]}.der": vectors[name].octets for name in ("ca-certs/bare",)
            },
        },
        "crl": {"empty.der": crl, "entries.der": _crl()},
        "name": {"name.der": csr.subject.der, "ca.der": ca.subject.der},
        "general-name": {f"{name}.txt": text.encode() for name, text in TEXTS.items()},
        "transaction": {"pending.json": harnesses.enrolment().transaction.to_json().encode()},
        "http-request": {
            "caps.txt": b"GET /cgi-bin/pkiclient.exe?operation=GetCACaps&message=ca\n",
            "ca-cert.txt": b"GET /scep?operation=GetCACert\n",
            "next.txt": b"GET /scep?operation=GetNextCACert\n",
            "chain.txt": b"GET /scep?operation=GetCACertChain\n",
            "get.txt": f"GET {get.url}\n".encode(),
            "post.bin": b"POST /scep?operation=PKIOperation\n" + sent["get-crl.der"],
        },
        "key-file": keys(),
        "inspection": {
            "request.der": vectors[MESSAGES[0]].octets,
            "reply.der": vectors[MESSAGES[8]].octets,
            "by-password.der": request(
                content=envelope(recipients["sha256.der"], content=csr.der)
            ).encode(),
            "envelope-by-password.der": envelope(recipients["sha1.der"], content=csr.der),
            "csr.pem": _pem("CERTIFICATE REQUEST", csr.der),
            "crl.der": crl,
            "ca.der": ca.der,
            "bag.der": degenerate([glass.issued().certificate.der, ca.der]),
            "caps.txt": b"AES\r\nSHA-256\r\n",
            "log.txt": get.url.encode(),
            "http.txt": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nAES\r\n",
        },
        "inspection-of-glass": {
            f"{harness}-{name}": octets
            for harness, files in (
                ("request", sent),
                ("request-by-password", requests_by_password()),
                *answers.items(),
            )
            for name, octets in files.items()
        },
        "pkcs12-file": {"key.p12": _pkcs12()},
    }


def _pem(label: str, octets: bytes) -> bytes:
    from pyscep.pem import write_pem

    return write_pem(label, octets)


def _content(octets: bytes) -> bytes:
    return parse_pki_message(octets)._signed_data._content or b""


def _crl() -> bytes:
    responder = glass.responder()
    responder.revoke(glass.issued().certificate)
    return responder.crl()


def _pkcs12() -> bytes:
    """Return a key and its certificate, protected with PBES2 and HMAC-SHA-256."""
    key = serialization.load_pem_private_key(public_test_key("short"), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    encoded = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    certificate = certify(
        "CN=a", key=glass.GlassKey(encoded), serial_number=1, key_identifier=False
    ).certificate
    protection = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(100)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(harnesses.PASSWORD.encode())
    )
    return pkcs12.serialize_key_and_certificates(
        b"a", key, x509.load_der_x509_certificate(certificate.der), None, protection
    )


def main() -> None:
    """Write them."""
    root = harnesses.HERE / "seeds"
    shutil.rmtree(root, ignore_errors=True)
    for harness, files in seeds().items():
        folder = root / harness
        folder.mkdir(parents=True)
        for name, octets in files.items():
            (folder / name).write_bytes(octets)


if __name__ == "__main__":
    main()
