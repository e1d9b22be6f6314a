"""CMS PasswordRecipientInfo: a content key under a password, for keys that cannot decrypt.

RFC 8894 section 3.1 has it for the keys that can sign and nothing else, EC keys above all; the
password is the challengePassword. The key that encrypts the content key is derived from it with
PBKDF2, and the content key wrapped by going over it with CBC twice (RFC 3211).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from pyscep import asn1, der
from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    content_encryption_algorithm_from_oid,
    refuse_oid,
)
from pyscep.crypto import CryptoProvider
from pyscep.crypto.key_files import HMACS, PBKDF2_OID, pbkdf2_with_sha256, read_pbkdf2_parameters
from pyscep.errors import DecodeError, KeyCapabilityError, WeakAlgorithm
from pyscep.limits import Limits

PASSWORD_LENGTH_MIN = 16
"""Characters in a password that something is encrypted with (E-29)."""
ITERATIONS = 10_000
"""Of PBKDF2 in what is written. Peers have bounds, cryptlib one of 20 000, so what protects the
content is a password that cannot be guessed."""
_SALT_SIZE = 16
_PASSWORD_TAG = der.context(3)


def password_octets(password: str | None, *, recipient: str) -> bytes:
    """Return the octets of a password to encrypt with: those of UTF-8 (E-24).

    Whoever sees the message can try passwords on it for as long as he likes, so a short one is
    refused, with no way around it.

    :param recipient: names in the error whose key it is that cannot decrypt.
    :raises KeyCapabilityError: there is none, it is too short, or it cannot be encoded.

    Source: RFC 8894 section 7.3; E-24, E-26, E-29.
    """
    if password is None:
        raise KeyCapabilityError(
            f"The key of {recipient} cannot decrypt, and there is no challenge password to encrypt "
            "with instead: a certification request has to have one, a poll has to be given that of "
            "its request, and queries need RSA keys on both sides.",
            argument="challenge_password",
        )
    if len(password) < PASSWORD_LENGTH_MIN:
        raise KeyCapabilityError(
            f"The key of {recipient} cannot decrypt, so the challenge password has to encrypt, and "
            "whoever sees the message can try passwords on it; use one of "
            f"{PASSWORD_LENGTH_MIN} random characters or more instead of {len(password)}, or an "
            "RSA key.",
            argument="challenge_password",
        )
    try:
        return password.encode()
    except UnicodeEncodeError:
        pass
    raise KeyCapabilityError(
        "The challenge password has a lone surrogate, which UTF-8 lacks, so nothing can be "
        "encrypted with it.",
        argument="challenge_password",
    )


def require_readable(
    cipher: ContentEncryptionAlgorithm, ciphers: AbstractSet[ContentEncryptionAlgorithm], what: str
) -> None:
    """Refuse a cipher that the caller is not willing to read.

    :param what: names in the error what is encrypted with it.
    :raises WeakAlgorithm: it is not in *ciphers*.

    Source: E-12, S-05.
    """
    if cipher not in ciphers:
        raise WeakAlgorithm(
            f"The {what} is encrypted with {cipher.name}, which is not read by default; "
            "configure the peer for AES, or allow it with ReplyRules(read_legacy_ciphers="
            f"{{ContentEncryptionAlgorithm.{cipher.name}}}).",
            algorithm=cipher.name,
            argument="read_legacy_ciphers",
        )


# ---------------------------------------------------------------------------------------- writing


def password_recipient_info(
    content_key: bytes,
    password: str | None,
    *,
    recipient: str,
    cipher: ContentEncryptionAlgorithm,
    provider: CryptoProvider,
) -> bytes:
    """Return a RecipientInfo with *content_key* under *password*, with a fresh salt and IV.

    :param recipient: see :func:`password_octets`.
    :param cipher: that of the content, which serves for its key too.
    :raises KeyCapabilityError: see :func:`password_octets`.

    Source: RFC 5652 section 6.2.4; RFC 3211 section 2.3.1; E-17, E-23, E-24, E-25, E-29.
    """
    octets = password_octets(password, recipient=recipient)
    salt = provider.random_bytes(_SALT_SIZE)
    iv = provider.random_bytes(cipher.block_size)
    key = provider.pbkdf2(
        octets,
        salt,
        iterations=ITERATIONS,
        key_length=cipher.key_size,
        digest=DigestAlgorithm.SHA256,
    )
    # PasswordRecipientInfo ::= SEQUENCE { version, keyDerivationAlgorithm [0] IMPLICIT OPTIONAL,
    #   keyEncryptionAlgorithm, encryptedKey }
    inner_cipher = der.sequence(der.oid(cipher.oid), der.octet_string(iv))
    return der.encode(
        _PASSWORD_TAG,
        der.integer(0)
        + der.encode(der.context(0), pbkdf2_with_sha256(salt, ITERATIONS))
        + der.sequence(der.oid(asn1.PWRI_KEK), inner_cipher)
        + der.octet_string(_wrap(content_key, key, iv, cipher, provider)),
    )


def _wrap(
    content_key: bytes,
    key: bytes,
    iv: bytes,
    cipher: ContentEncryptionAlgorithm,
    provider: CryptoProvider,
) -> bytes:
    block = cipher.block_size
    formatted = bytes((len(content_key),)) + _check_value(content_key) + content_key
    # Two blocks at least, as no cipher's key is shorter than its block: with one, the first would
    # not depend on all of the content key.
    filling = provider.random_bytes(-len(formatted) % block)
    once = _encrypt(formatted + filling, key, iv, cipher, provider)
    return _encrypt(once, key, once[-block:], cipher, provider)


def _check_value(content_key: bytes) -> bytes:
    return bytes(octet ^ 0xFF for octet in content_key[:3])


def _encrypt(
    blocks: bytes,
    key: bytes,
    iv: bytes,
    cipher: ContentEncryptionAlgorithm,
    provider: CryptoProvider,
) -> bytes:
    """Encrypt whole blocks without padding: the provider's own block of padding is cut off."""
    return provider.encrypt_content(key, iv, blocks, cipher)[: len(blocks)]


def _decrypt(
    blocks: bytes,
    key: bytes,
    iv: bytes,
    cipher: ContentEncryptionAlgorithm,
    provider: CryptoProvider,
) -> bytes:
    """Decrypt whole blocks without padding: a block of padding that fits is put behind them."""
    padding = provider.encrypt_content(key, blocks[-cipher.block_size :], b"", cipher)
    return provider.decrypt_content(key, iv, blocks + padding, cipher)


# ---------------------------------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRecipient:
    """PasswordRecipientInfo, taken apart only when it is used.

    One that is odd does not keep the other recipients of an envelope from being read.

    Source: RFC 5652 section 6.2.4; E-04, E-23.
    """

    octets: bytes = field(repr=False)
    """The DER RecipientInfo."""
    _limits: Limits = field(repr=False)

    def content_key(
        self,
        passwords: Sequence[str],
        *,
        size: int,
        ciphers: AbstractSet[ContentEncryptionAlgorithm],
        provider: CryptoProvider,
    ) -> bytes:
        """Return the content key if one of *passwords* is right, and a random one if none is.

        :param size: of the content key, in bytes.
        :param ciphers: those that the caller is willing to read.
        :raises DecodeError: not a PasswordRecipientInfo.
        :raises LimitExceeded: more iterations than ``limits.message_kdf_iterations``.
        :raises WeakAlgorithm: the content key is under a cipher that is not in *ciphers*, or under
            single DES.
        :raises UnsupportedError: another key derivation, key encryption or cipher.

        Source: RFC 5652 section 6.2.4; RFC 3211 section 2.3.2; E-16, E-23, E-24, E-25, S-06.
        """
        parameters = der.read_der(self.octets, self._read)
        require_readable(parameters.cipher, ciphers, "content key")
        # Drawn in every case, so that success and failure take the same steps (S-06).
        found = provider.random_bytes(size)
        for password in passwords:
            candidate = parameters.unwrap(password, provider)
            if candidate is not None and len(candidate) == size:
                found = candidate
        return found

    def _read(self, reader: der.Reader) -> _Parameters:
        fields = reader.enter(_PASSWORD_TAG)
        fields.read_integer()
        derivation = fields.enter_optional(der.context(0))
        if derivation is None:
            # Both sides then have another way to the key than PBKDF2, which SCEP has not.
            fields.fail("The password recipient does not say how its key is derived")
        encryption = fields.enter()
        encrypted_key = fields.read_octet_string()
        fields.finish()
        digest, salt, iterations = _read_derivation(derivation, self._limits)
        cipher, iv = _read_encryption(encryption)
        return _Parameters(
            digest=digest,
            salt=salt,
            iterations=iterations,
            cipher=cipher,
            iv=iv,
            encrypted_key=encrypted_key,
        )


def _read_derivation(fields: der.Reader, limits: Limits) -> tuple[DigestAlgorithm, bytes, int]:
    derivation = fields.read_oid()
    if derivation != PBKDF2_OID:
        refuse_oid(derivation, "key derivation")
    prf, salt, iterations = read_pbkdf2_parameters(fields.enter())
    if prf not in HMACS:
        refuse_oid(prf, "key derivation")
    limits.check("message_kdf_iterations", iterations, what="The message asks for {} iterations")
    if iterations < 1:
        raise DecodeError("The message asks for less than one iteration.")
    return HMACS[prf], salt, iterations


def _read_encryption(fields: der.Reader) -> tuple[ContentEncryptionAlgorithm, bytes]:
    scheme = fields.read_oid()
    if scheme != asn1.PWRI_KEK:
        refuse_oid(scheme, "key encryption")
    inner_cipher = fields.enter()
    cipher = content_encryption_algorithm_from_oid(inner_cipher.read_oid())
    if cipher is ContentEncryptionAlgorithm.DES_CBC:
        raise WeakAlgorithm(
            "The content key is encrypted with single DES, which is never accepted; configure the "
            "peer for AES.",
            algorithm=cipher.name,
        )
    iv = inner_cipher.read_octet_string()
    if len(iv) != cipher.block_size:
        raise DecodeError(
            f"The IV of the content key has {len(iv)} bytes instead of {cipher.block_size}."
        )
    return cipher, iv


class _Parameters(NamedTuple):
    digest: DigestAlgorithm
    salt: bytes
    iterations: int
    cipher: ContentEncryptionAlgorithm
    iv: bytes
    encrypted_key: bytes

    def unwrap(self, password: str, provider: CryptoProvider) -> bytes | None:
        """Return the content key, or ``None`` if the password, or anything else, is wrong."""
        block, cipher, wrapped = self.cipher.block_size, self.cipher, self.encrypted_key
        if len(wrapped) % block or len(wrapped) < 2 * block:
            return None
        key = provider.pbkdf2(
            # What UTF-8 lacks is nobody's password, and finds nothing.
            password.encode(errors="surrogatepass"),
            self.salt,
            iterations=self.iterations,
            key_length=cipher.key_size,
            digest=self.digest,
        )
        # The IV of the second encryption was the last block that came out of the first.
        last = _decrypt(wrapped[-block:], key, wrapped[-2 * block : -block], cipher, provider)
        once = _decrypt(wrapped, key, last, cipher, provider)
        formatted = _decrypt(once, key, self.iv, cipher, provider)
        content_key = formatted[4 : 4 + formatted[0]]
        is_whole = len(content_key) == formatted[0]
        # With less than three bytes, the check value is too short to fit.
        fits = hmac.compare_digest(formatted[1:4], _check_value(content_key))
        return content_key if is_whole and fits else None
