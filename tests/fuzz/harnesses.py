"""What is fuzzed: each harness takes any bytes and may raise nothing but a ScepError.

The same functions are run by ``tests/fuzz/test_harnesses.py`` for seconds and by
``python -m tests.fuzz`` for hours. A harness returns a short word for what came of the bytes, so
that a test can say that its seeds reach the end.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Union

from pyscep.algorithms import ContentEncryptionAlgorithm
from pyscep.begin import get_cert, get_crl, pkcs_req
from pyscep.ca import parse_ca_certificates, parse_next_ca_certificates
from pyscep.capabilities import ScepStandardPolicy, format_capabilities, parse_capabilities
from pyscep.certificates import Certificate, Identity, parse_certificate
from pyscep.chains import build_chain
from pyscep.cms_enveloped import parse_enveloped_data
from pyscep.cms_password import PasswordRecipient
from pyscep.crl import parse_crl
from pyscep.crypto import CryptoProvider, default_provider
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.crypto.pyca_provider import PycaProvider
from pyscep.errors import DecryptionFailed, ScepError, SignatureInvalid
from pyscep.exchange import CertificateQuery, CrlQuery, Exchange
from pyscep.extensions import (
    find,
    parse_general_name,
    read_extended_key_usage,
    read_microsoft_template,
    read_microsoft_template_name,
)
from pyscep.http import HttpRequest
from pyscep.identifiers import IssuerAndSerialNumber
from pyscep.inspection import inspect
from pyscep.limits import Limits
from pyscep.names import build_name, parse_name
from pyscep.pkcs10 import CertificationRequest, parse_csr
from pyscep.pki_message import parse_pki_message
from pyscep.testing.vectors import build_vectors
from pyscep.testing.vectors.parties import public_test_key
from pyscep.transaction import Transaction
from tests.fuzz import glass

HERE = Path(__file__).parent
ALL_CIPHERS = frozenset(ContentEncryptionAlgorithm)
PASSWORD = "glass"
MARK = "a secret that is in no input"
GLASS_SIGNERS = ("ca", "client-old", "ec-ca", "ec-client-old")
# What a file or message may ask for before it is refused costs time that says nothing.
QUICK = Limits(kdf_iterations=2048, message_kdf_iterations=2048)


@dataclass(frozen=True, kw_only=True)
class Harness:
    """Something that reads what strangers send."""

    name: str
    run: Callable[[bytes], str]

    @property
    def seeds_folder(self) -> Path:
        """Where the files are to begin with."""
        return HERE / "seeds" / self.name

    def seeds(self) -> dict[str, bytes]:
        """Return them by name."""
        return {path.name: path.read_bytes() for path in sorted(self.seeds_folder.iterdir())}

    def findings(self) -> dict[str, bytes]:
        """Return what once made it misbehave."""
        folder = HERE / "findings" / self.name
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
        return {path.name: path.read_bytes() for path in paths}

    def outcome(self, octets: bytes) -> str:
        """Return what came of *octets*: a word, or the name of our error."""
        try:
            return self.run(octets)
        except ScepError as error:
            _show(error)
            return type(error).__name__


def _show(*values: object) -> None:
    """Make text of what was read, which is the first thing that a user does with it."""
    for value in values:
        repr(value)
        str(value)


# ------------------------------------------------------------------------------------- messages


@functools.cache
def _recipients() -> tuple[Identity, ...]:
    provider = default_provider()
    vectors = build_vectors(provider=provider)
    return tuple(
        Identity(certificate=certificate, key=provider.load_private_key(public_test_key(key)))
        for certificate, key in vectors.certificates.values()
    )


def pki_message(octets: bytes) -> str:
    """Read a message with real cryptography."""
    provider = default_provider()
    verified = parse_pki_message(octets).verify_possession(provider=provider)
    _show(verified)
    if verified.has_envelope:
        _show(verified.decrypt(_recipients(), ciphers=ALL_CIPHERS, provider=provider))
    return "read"


def request(octets: bytes, name: str = "ca") -> str:
    """Let a server without secrets answer a message."""
    answered = [
        responder.handle(
            HttpRequest(method="POST", url="/scep?operation=PKIOperation", body=octets)
        )
        for responder in (glass.responder(name=name), glass.approving(name))
    ]
    first, second = answered
    if first.status != 200:
        assert first.status == second.status
        assert first.status in {400, 413}, first
        return f"HTTP {first.status}"
    ca = glass.trusted_ca(name)
    reply = parse_pki_message(first.body).verify(ca.signers, provider=glass.PROVIDER)
    assert reply.pki_status is not None
    return reply.pki_status.name


def request_by_password(octets: bytes) -> str:
    """Let a server answer whose key decrypts nothing, so that passwords do."""
    return request(octets, "ec-ca")


@functools.cache
def enrolment(client: str = "client-old", ca: str = "ca") -> Exchange:
    csr = glass.csr(client)
    return pkcs_req(
        csr,
        identity=glass.identity(client),
        ca=glass.trusted_ca(ca),
        transaction_id="glass",
        provider=glass.PROVIDER,
    )


@functools.cache
def certificate_query() -> CertificateQuery:
    return get_cert(
        IssuerAndSerialNumber.of(glass.issued().certificate),
        identity=glass.issued(),
        ca=glass.trusted_ca(),
        transaction_id="glass",
        provider=glass.PROVIDER,
    )


@functools.cache
def crl_query() -> CrlQuery:
    return get_crl(
        IssuerAndSerialNumber.of(glass.issued().certificate),
        identity=glass.issued(),
        ca=glass.trusted_ca(),
        transaction_id="glass",
        provider=glass.PROVIDER,
    )


def _receive(exchange: Union[Exchange, CertificateQuery, CrlQuery], octets: bytes) -> str:
    # Every cipher may be read: what lies behind it shall be reached.
    rules = replace(exchange._sent.rules, read_legacy_ciphers=ALL_CIPHERS)
    reply = replace(exchange, _sent=replace(exchange._sent, rules=rules)).receive(octets)
    _show(reply)
    return type(reply).__name__


def reply(octets: bytes) -> str:
    """Give a reply to a client that waits for its certificate."""
    return _receive(enrolment(), octets)


def reply_by_password(octets: bytes) -> str:
    """Give a reply to a client whose key decrypts nothing."""
    return _receive(enrolment("ec-client-old", "ec-ca"), octets)


def reply_to_get_cert(octets: bytes) -> str:
    """Give a reply to a client that asked for a certificate."""
    return _receive(certificate_query(), octets)


def reply_to_get_crl(octets: bytes) -> str:
    """Give a reply to a client that asked for a CRL."""
    return _receive(crl_query(), octets)


# ------------------------------------------------------------------------------- CA certificates


def ca_certificates(octets: bytes) -> str:
    """Read the answer to GetCACert and find out what is for what."""
    found = parse_ca_certificates(octets)
    _show(found)
    anchor = glass.identity("ca").certificate
    for waived in (False, True):
        ca = found.authenticate(
            anchors=[anchor],
            at=glass.NOW,
            ignore_key_usage=waived,
            ra_may_be_any_end_entity=waived,
            provider=glass.PROVIDER,
        )
        _show(ca)
    found.authenticate(sha256=anchor.sha256_fingerprint, at=None, provider=glass.PROVIDER)
    return "trusted"


def next_ca_certificates(octets: bytes) -> str:
    """Read the answer to GetNextCACert."""
    ca = parse_next_ca_certificates(
        octets, current=glass.trusted_ca(), at=glass.NOW, provider=glass.PROVIDER
    )
    _show(ca)
    return "trusted"


def capabilities(octets: bytes) -> str:
    """Read the answer to GetCACaps and choose by it."""
    found = parse_capabilities(octets)
    _show(found)
    format_capabilities(found.keywords)
    for policy in ScepStandardPolicy:
        for legacy in (True, False):
            _show(found.select(scep_standard=policy, allow_legacy=legacy))
    return "chosen"


# -------------------------------------------------------------------------------- X.509, PKCS #10


def certification_request(octets: bytes) -> str:
    """Read a certification request and verify it with both providers."""
    csr = parse_csr(octets)
    _show(csr, csr.subject, csr.subject_alt_names)
    read_microsoft_template(csr.extensions)
    read_microsoft_template_name(csr.extensions)
    outcomes = {_verified(csr, provider) for provider in (default_provider(), PycaProvider())}
    return "verified" if True in outcomes else "read"


def _verified(csr: CertificationRequest, provider: CryptoProvider) -> bool:
    try:
        csr.verify(provider=provider)
    except ScepError as error:
        _show(error)
        return False
    return True


def certificate(octets: bytes) -> str:
    """Read a certificate and everything that can be asked of it."""
    read = parse_certificate(octets)
    _show(read, read.subject, read.issuer, read.pem(), read.key_type, hash(read))
    _show(read.key_usage, read.is_ca, read.is_self_issued, read.subject_key_identifier)
    _show(read.subject_alt_names, read.is_valid_at(glass.NOW))
    read_extended_key_usage(read.extensions)
    find(read.extensions, "2.5.29.35")
    assert parse_certificate(read.der) == read
    _chain(read)
    read.asn1()
    return "read"


def _chain(read: Certificate) -> None:
    pool = [glass.identity("ca").certificate, read]
    for at in (None, glass.NOW):
        _show(build_chain(read, pool, at=at, provider=default_provider()))
        _show(build_chain(read, pool, at=at, provider=glass.PROVIDER))


def crl(octets: bytes) -> str:
    """Read a CRL and look for a certificate in it."""
    read = parse_crl(octets)
    _show(read, read.issuer, read.this_update, read.next_update)
    found = [read.revocation_date(serial) for serial in (0, 17, 127, 128, -1)]
    for provider in (glass.PROVIDER, default_provider()):
        with contextlib.suppress(SignatureInvalid):
            read.verify(glass.identity("ca").certificate, provider=provider)
    return "revoked" if any(found) else "read"


def name(octets: bytes) -> str:
    """Read a name, print it, and read what was printed: then it has one spelling."""
    read = parse_name(octets)
    _show(read, hash(read))
    # Values of one RDN come in any order, and are written in that of DER.
    again = build_name(str(read))
    assert build_name(str(again)).der == again.der
    return "read"


def general_name(octets: bytes) -> str:
    """Read an alternative name as people write it."""
    _show(parse_general_name(octets.decode("utf-8", "surrogateescape")))
    return "read"


# ------------------------------------------------------------------------------------ everything


def transaction(octets: bytes) -> str:
    """Read a saved transaction; what is read can be saved and is the same again."""
    read = Transaction.from_json(octets.decode("utf-8", "surrogateescape"))
    _show(read)
    assert Transaction.from_json(read.to_json()) == read
    return "read"


def http_request(octets: bytes) -> str:
    """Let a server answer anything: method and URL in the first line, then the body."""
    line, _, body = octets.partition(b"\n")
    method, _, url = line.decode("utf-8", "surrogateescape").partition(" ")
    request = HttpRequest(method=method, url=url, body=body)
    _show(request, request.address)
    response = glass.responder().handle(request)
    assert response.status in {200, 400, 404, 405, 413, 414, 501}, response
    assert response.header("Content-Type")
    return f"HTTP {response.status}"


def key_file(octets: bytes) -> str:
    """Load a private key with both providers, with and without a password."""
    outcomes = [
        _load(provider, octets, password)
        for provider in (OscryptoProvider(limits=QUICK), PycaProvider(limits=QUICK))
        for password in (None, PASSWORD)
    ]
    return "loaded" if True in outcomes else "refused"


def _load(provider: CryptoProvider, octets: bytes, password: str | None) -> bool:
    try:
        key = provider.load_private_key(octets, password=password)
    except ScepError as error:
        _show(error)
        return False
    _show(key, key.public_key, key.signature_algorithms)
    return True


def pkcs12_file(octets: bytes) -> str:
    """Load a PKCS #12 file."""
    pfx = OscryptoProvider(limits=QUICK).load_pkcs12(octets, password=PASSWORD)
    _show(pfx)
    return "loaded"


def envelope(octets: bytes) -> str:
    """Open an envelope with real keys, or a real password."""
    read = parse_enveloped_data(octets, limits=QUICK)
    _show(read)
    try:
        read.decrypt(
            _recipients(),
            ("another one", PASSWORD),
            provider=default_provider(),
            ciphers=ALL_CIPHERS,
        )
    except DecryptionFailed as error:
        # One error for everything: no cause, no other text.
        if error.__cause__ is not None or str(error) != str(DecryptionFailed()):
            raise AssertionError from error
        raise
    return "opened"


class _Drawn:
    """Providers that draw always the same, so that their results can be compared."""

    def random_bytes(self, size: int) -> bytes:
        return b"\x5a" * size


class _FixedOscrypto(_Drawn, OscryptoProvider):
    pass


class _FixedPyca(_Drawn, PycaProvider):
    pass


def password_recipient(octets: bytes) -> str:
    """Take a content key out of a password recipient, with both providers: the same one."""
    recipient = PasswordRecipient(octets=octets, _limits=QUICK)
    _show(recipient)
    outcomes = [
        _content_key(recipient, provider, size)
        for size in (16, 24)
        for provider in (_FixedOscrypto(), _FixedPyca())
    ]
    assert outcomes[0] == outcomes[1]
    assert outcomes[2] == outcomes[3]
    first = outcomes[0]
    if isinstance(first, bytes):
        return "closed" if first == _Drawn().random_bytes(16) else "opened"
    return first.__name__


def _content_key(
    recipient: PasswordRecipient, provider: CryptoProvider, size: int
) -> Union[bytes, type[ScepError]]:
    try:
        return recipient.content_key(
            ("another one", PASSWORD), size=size, ciphers=ALL_CIPHERS, provider=provider
        )
    except ScepError as error:
        _show(error)
        return type(error)


def inspection(octets: bytes) -> str:
    """Look into anything; it never raises, and what it shows goes into JSON."""
    keys = [identity.key for identity in _recipients()[:3]]
    try:
        seen = inspect(
            octets,
            keys=keys,
            passwords=(MARK, PASSWORD),
            at=glass.NOW,
            provider=default_provider(),
            limits=QUICK,
        )
    except ScepError as error:
        raise AssertionError from error
    _show(seen)
    assert MARK not in json.dumps(seen.to_json_object())
    return seen.kind.name


def inspection_of_glass(octets: bytes) -> str:
    """Look into messages that one can see through, up to what is in their envelopes."""
    ca, client = glass.identity("ca"), glass.identity("client-old")
    try:
        seen = inspect(
            octets,
            keys=(ca.key, client.key),
            passwords=(MARK, glass.CHALLENGE),
            signers=[glass.identity(each).certificate for each in GLASS_SIGNERS],
            request=enrolment().message,
            at=glass.NOW,
            provider=glass.PROVIDER,
        )
    except ScepError as error:
        raise AssertionError from error
    _show(seen)
    assert MARK not in json.dumps(seen.to_json_object())
    return "opened" if seen.decrypted else seen.kind.name


HARNESSES = {
    harness.name: harness
    for harness in (
        Harness(name="pki-message", run=pki_message),
        Harness(name="request", run=request),
        Harness(name="request-by-password", run=request_by_password),
        Harness(name="reply", run=reply),
        Harness(name="reply-by-password", run=reply_by_password),
        Harness(name="reply-to-get-cert", run=reply_to_get_cert),
        Harness(name="reply-to-get-crl", run=reply_to_get_crl),
        Harness(name="envelope", run=envelope),
        Harness(name="password-recipient", run=password_recipient),
        Harness(name="ca-certificates", run=ca_certificates),
        Harness(name="next-ca-certificates", run=next_ca_certificates),
        Harness(name="capabilities", run=capabilities),
        Harness(name="csr", run=certification_request),
        Harness(name="certificate", run=certificate),
        Harness(name="crl", run=crl),
        Harness(name="name", run=name),
        Harness(name="general-name", run=general_name),
        Harness(name="transaction", run=transaction),
        Harness(name="http-request", run=http_request),
        Harness(name="key-file", run=key_file),
        Harness(name="pkcs12-file", run=pkcs12_file),
        Harness(name="inspection", run=inspection),
        Harness(name="inspection-of-glass", run=inspection_of_glass),
    )
}
"""By name, which is also the name of the folder with the seeds."""
