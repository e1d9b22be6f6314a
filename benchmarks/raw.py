"""The floor: the bare operations of the provider that a message cannot do without.

Each function does, one after the other and on data of the right sizes, what the cryptography of
one message consists of. There is no ASN.1 in it, no check, and nothing is kept from one step for
the next.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.material import (
    CIPHER,
    DIGEST,
    KEY_ENCRYPTION,
    SIGNATURE,
    Material,
    degenerate_of,
)
from pyscep import cms_signed
from pyscep.pki_message import NONCE_SIZE

Work = Callable[[], None]


class Floor:
    """The floors of all messages, for the same keys and data."""

    def __init__(self, material: Material) -> None:
        """Take from finished messages what the operations work on."""
        self._material = material
        self._provider = material.provider
        self._attributes = _signed_attributes(material.exchange.message)
        self._content = material.request.content or b""
        self._signature = material.key.sign(self._attributes, SIGNATURE)
        reply = _signed_data(material.reply)
        self._reply_attributes = reply._attributes  # noqa: SLF001
        self._reply_content = reply._content or b""  # noqa: SLF001
        authority = material.ca.identity.key
        self._reply_signature = authority.sign(self._reply_attributes, SIGNATURE)
        self._content_key = bytes(CIPHER.key_size)
        self._iv = bytes(CIPHER.block_size)
        self._to_client = self._encrypt_key(material.key.public_key)
        self._to_ca = self._encrypt_key(authority.public_key)
        self._degenerate = degenerate_of(material.issued)
        self._encrypted_csr = self._encrypt(material.csr.der)
        self._encrypted_degenerate = self._encrypt(self._degenerate)

    def _encrypt_key(self, public_key: bytes) -> bytes:
        return self._provider.encrypt_key(public_key, self._content_key, KEY_ENCRYPTION)

    def _encrypt(self, plain: bytes) -> bytes:
        return self._provider.encrypt_content(self._content_key, self._iv, plain, CIPHER)

    def _envelop(self, plain: bytes, public_key: bytes) -> None:
        random_bytes = self._provider.random_bytes
        random_bytes(CIPHER.key_size)
        random_bytes(CIPHER.block_size)
        self._encrypt_key(public_key)
        self._encrypt(plain)

    # ---------------------------------------------------------------------------- the messages

    def pkcs_req(self) -> None:
        """Do three signatures, of CSR, certificate and message, and one encryption."""
        material = self._material
        material.key.sign(material.csr.signed.content, SIGNATURE)
        self._provider.random_bytes(16)
        material.key.sign(material.identity.certificate.signed.content, SIGNATURE)
        self.message()

    def message(self) -> None:
        """Do one signature and one encryption."""
        material = self._material
        self._provider.random_bytes(16)
        self._provider.random_bytes(NONCE_SIZE)
        self._envelop(material.csr.der, material.ca.issuer.public_key)
        self._provider.digest(self._content, DIGEST)
        material.key.sign(self._attributes, SIGNATURE)

    def read_cert_rep(self) -> None:
        """Verify message and certificate, and do one decryption."""
        material, provider = self._material, self._provider
        authority = material.ca.issuer.public_key
        provider.digest(self._reply_content, DIGEST)
        provider.verify(authority, self._reply_signature, self._reply_attributes, SIGNATURE)
        provider.random_bytes(CIPHER.key_size)
        material.key.decrypt(self._to_client, KEY_ENCRYPTION)
        provider.decrypt_content(self._content_key, self._iv, self._encrypted_degenerate, CIPHER)
        signed = material.issued.signed
        provider.verify(authority, signed.signature, signed.content, SIGNATURE)

    def build_cert_rep(self) -> None:
        """Do one signature and one encryption on the CA's side."""
        material = self._material
        self._provider.random_bytes(NONCE_SIZE)
        self._envelop(self._degenerate, material.key.public_key)
        self._provider.digest(self._reply_content, DIGEST)
        material.ca.identity.key.sign(self._reply_attributes, SIGNATURE)

    def open_and_issue(self) -> None:
        """Verify message and CSR, do one decryption, and sign a certificate."""
        material, provider = self._material, self._provider
        client = material.key.public_key
        provider.digest(self._content, DIGEST)
        provider.verify(client, self._signature, self._attributes, SIGNATURE)
        provider.random_bytes(CIPHER.key_size)
        material.ca.identity.key.decrypt(self._to_ca, KEY_ENCRYPTION)
        provider.decrypt_content(self._content_key, self._iv, self._encrypted_csr, CIPHER)
        signed = material.csr.signed
        provider.verify(client, signed.signature, signed.content, SIGNATURE)
        provider.random_bytes(16)
        material.ca.identity.key.sign(material.issued.signed.content, SIGNATURE)

    def enrol(self) -> None:
        """Do all of an enrolment."""
        self.pkcs_req()
        self.open_and_issue()
        self.build_cert_rep()
        self.read_cert_rep()


def _signed_data(message: bytes) -> cms_signed.UnverifiedSignedData:
    return cms_signed.parse_signed_data(message)


def _signed_attributes(message: bytes) -> bytes:
    return _signed_data(message)._attributes  # noqa: SLF001
