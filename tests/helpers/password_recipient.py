"""PasswordRecipientInfo by an encoder of its own, legal and illegal, field by field.

Nothing of pyscep has a part in it: hashlib derives, and oscrypto's bare CBC wraps (RFC 3211).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pyscep.crypto.oscrypto_loader import load_oscrypto
from tests.helpers import tlv

PASSWORD = "a challenge that nobody guesses"
PBKDF2 = "1.2.840.113549.1.5.12"
PWRI_KEK = "1.2.840.113549.1.9.16.3.9"
HMACS = {
    "sha1": "1.2.840.113549.2.7",
    "sha224": "1.2.840.113549.2.8",
    "sha256": "1.2.840.113549.2.9",
    "sha384": "1.2.840.113549.2.10",
    "sha512": "1.2.840.113549.2.11",
}
AES_OIDS = {16: tlv.AES128_CBC, 24: "2.16.840.1.101.3.4.1.22", 32: "2.16.840.1.101.3.4.1.42"}
CONTENT_KEY = bytes(range(16))


def cbc(key: bytes, iv: bytes, blocks: bytes, *, decrypt: bool = False) -> bytes:
    """Go over whole blocks with AES-CBC, without padding."""
    symmetric = load_oscrypto().symmetric
    if decrypt:
        return bytes(symmetric.aes_cbc_no_padding_decrypt(key, blocks, iv))
    return bytes(symmetric.aes_cbc_no_padding_encrypt(key, blocks, iv)[1])


@dataclass(frozen=True, kw_only=True)
class PasswordRecipientInfo:
    """A RecipientInfo; what is ``None`` becomes what is right for the rest."""

    password: bytes = PASSWORD.encode()
    content_key: bytes = CONTENT_KEY
    salt: bytes = b"salt"
    iterations: int = 10
    counted: int | None = None
    """How many iterations there are, if it is not as many as it says."""
    digest: str = "sha256"
    key_size: int = 16
    key_length: bytes = b""
    """The element keyLength."""
    prf: bytes | None = None
    iv: bytes = b"i" * 16
    formatted: bytes | None = None
    """What is wrapped: length, check value, content key, and anything up to whole blocks."""
    version: int = 0
    derivation: bytes | None = None
    encryption: bytes | None = None
    encrypted_key: bytes | None = None
    trailer: bytes = b""

    def encode(self) -> bytes:
        """Return the element, with its tag."""
        return tlv.explicit(
            3,
            tlv.integer(self.version),
            self._derivation() if self.derivation is None else self.derivation,
            self._encryption() if self.encryption is None else self.encryption,
            tlv.octets(self.wrap() if self.encrypted_key is None else self.encrypted_key),
            self.trailer,
        )

    def _derivation(self) -> bytes:
        prf = self.prf
        if prf is None:
            # SHA-1 is the default, which DER leaves out.
            is_default = self.digest == "sha1"
            prf = b"" if is_default else tlv.algorithm(HMACS[self.digest], tlv.null())
        parameters = tlv.seq(
            tlv.octets(self.salt), tlv.integer(self.iterations), self.key_length, prf
        )
        return tlv.explicit(0, tlv.oid(PBKDF2), parameters)

    def _encryption(self) -> bytes:
        inner = tlv.algorithm(AES_OIDS[self.key_size], tlv.octets(self.iv))
        return tlv.algorithm(PWRI_KEK, inner)

    @property
    def key(self) -> bytes:
        """The key that is derived from the password."""
        iterations = self.iterations if self.counted is None else self.counted
        return hashlib.pbkdf2_hmac(self.digest, self.password, self.salt, iterations, self.key_size)

    def wrap(self) -> bytes:
        """Return the wrapped content key."""
        plain = self.formatted
        if plain is None:
            check = bytes(255 - octet for octet in self.content_key[:3])
            plain = bytes([len(self.content_key)]) + check + self.content_key
            size = max(32, (len(plain) + 15) // 16 * 16)
            plain = plain.ljust(size, b"r")
        once = cbc(self.key, self.iv, plain)
        return cbc(self.key, once[-16:], once)


def unwrap(key: bytes, iv: bytes, wrapped: bytes) -> bytes:
    """Return what was formatted, by the three steps of RFC 3211 section 2.3.2."""
    last = cbc(key, wrapped[-32:-16], wrapped[-16:], decrypt=True)
    rest = cbc(key, last, wrapped[:-16], decrypt=True)
    return cbc(key, iv, rest + last, decrypt=True)


def envelope(
    *recipients: bytes, content: bytes = b"content", content_key: bytes = CONTENT_KEY
) -> bytes:
    """Return an EnvelopedData under AES-CBC with these recipients."""
    missing = 16 - len(content) % 16
    iv = b"v" * 16
    ciphertext = cbc(content_key, iv, content + bytes([missing]) * missing)
    cipher = tlv.algorithm(AES_OIDS[len(content_key)], tlv.octets(iv))
    return tlv.enveloped(*recipients, cipher=cipher, content=tlv.implicit(0, ciphertext))
