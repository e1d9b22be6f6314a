"""pyscep.cms_password: content keys under passwords, written and read; one way to fail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.certificates import Identity
from pyscep.cms_enveloped import (
    STANDARD_CIPHERS,
    RecipientKind,
    envelop,
    needs_password,
    parse_enveloped_data,
)
from pyscep.cms_password import (
    ITERATIONS,
    PASSWORD_LENGTH_MIN,
    PasswordRecipient,
    password_octets,
    password_recipient_info,
)
from pyscep.crypto.oscrypto_provider import OscryptoProvider
from pyscep.errors import (
    DecodeError,
    DecryptionFailed,
    KeyCapabilityError,
    LimitExceeded,
    MessageError,
    UnsupportedError,
    WeakAlgorithm,
)
from pyscep.limits import DEFAULT_LIMITS, Limits
from tests.helpers import keys, tlv
from tests.helpers.message_factory import Envelope
from tests.helpers.password_recipient import (
    CONTENT_KEY,
    HMACS,
    PASSWORD,
    PBKDF2,
    PWRI_KEK,
    PasswordRecipientInfo,
    envelope,
    unwrap,
)

PROVIDER = keys.provider()
EC = keys.ec_client().certificate
GOOD = PasswordRecipientInfo()
AES128, DES, DES3 = (
    ContentEncryptionAlgorithm.AES128_CBC,
    ContentEncryptionAlgorithm.DES_CBC,
    ContentEncryptionAlgorithm.DES_EDE3_CBC,
)
AES = [AES128, ContentEncryptionAlgorithm.AES192_CBC, ContentEncryptionAlgorithm.AES256_CBC]


class Fixed(OscryptoProvider):
    """Draws always the same, so that what a random key does is no matter of chance."""

    def random_bytes(self, size: int) -> bytes:
        return b"\x5a" * size


SUBSTITUTE = b"\x5a" * 16


def content_key(
    recipient: PasswordRecipientInfo | bytes,
    *passwords: str,
    size: int = 16,
    ciphers: AbstractSet[ContentEncryptionAlgorithm] = STANDARD_CIPHERS,
    limits: Limits = DEFAULT_LIMITS,
) -> bytes:
    octets = recipient if isinstance(recipient, bytes) else recipient.encode()
    return PasswordRecipient(octets=octets, _limits=limits).content_key(
        passwords or (PASSWORD,), size=size, ciphers=ciphers, provider=Fixed()
    )


def opened(octets: bytes, *passwords: str, identities: Any = (), **options: Any) -> bytes:
    return parse_enveloped_data(octets).decrypt(
        identities, passwords, provider=options.pop("provider", PROVIDER), **options
    )


# ---------------------------------------------------------------------------------------- writing


@pytest.mark.conforms("E-04", "E-17", "E-23", "E-24", "E-25")
@pytest.mark.parametrize("password", [PASSWORD, "Prüfwort für den Sensor №\u202f17 🔑"])
def test_every_part_of_what_is_written(password: str) -> None:
    octets = envelop(
        b"content",
        recipient=EC,
        password=password,
        content_encryption_algorithm=AES128,
        provider=PROVIDER,
    )
    tree = tlv.parse(octets)
    recipient, encrypted = tree.at(1, 0, 1, 0), tree.at(1, 0, 2)
    salt, iv = recipient.at(1, 1, 0).contents, recipient.at(2, 1, 1).contents
    wrapped = recipient.at(3).contents
    assert recipient.dump() == tlv.explicit(
        3,
        tlv.integer(0),
        tlv.explicit(
            0,
            tlv.oid(PBKDF2),
            tlv.seq(
                tlv.octets(salt),
                tlv.integer(ITERATIONS),
                tlv.algorithm(HMACS["sha256"], tlv.null()),
            ),
        ),
        tlv.algorithm(PWRI_KEK, tlv.algorithm(tlv.AES128_CBC, tlv.octets(iv))),
        tlv.octets(wrapped),
    )
    assert (len(salt), len(iv), len(wrapped)) == (16, 16, 32)
    assert tree.at(1, 0, 0).dump() == tlv.integer(3)
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS, 16)
    formatted = unwrap(key, iv, wrapped)
    found = formatted[4:20]
    assert formatted[:4] == bytes([16, *(255 - octet for octet in found[:3])])
    content_iv = encrypted.at(1, 1).contents
    assert PROVIDER.decrypt_content(found, content_iv, encrypted.at(2).contents, AES128) == (
        b"content"
    )


@pytest.mark.conforms("E-10", "E-11", "E-23")
@pytest.mark.parametrize("provider_name", keys.PROVIDERS)
@pytest.mark.parametrize("cipher", [*AES, DES3])
@pytest.mark.parametrize("content", [b"", b"x" * 15, b"x" * 16, b"x" * 1000])
def test_what_is_written_is_read(
    content: bytes, cipher: ContentEncryptionAlgorithm, provider_name: str
) -> None:
    provider = keys.provider_named(provider_name)
    octets = envelop(
        content,
        recipient=EC,
        password=PASSWORD,
        content_encryption_algorithm=cipher,
        provider=provider,
    )
    assert opened(octets, PASSWORD, ciphers={cipher}, provider=provider) == content


@pytest.mark.conforms("E-15")
def test_salt_ivs_and_key_are_new_each_time() -> None:
    drawn: list[bytes] = []

    class Recording(OscryptoProvider):
        def random_bytes(self, size: int) -> bytes:
            drawn.append(super().random_bytes(size))
            return drawn[-1]

    for _ in range(2):
        envelop(
            b"content",
            recipient=EC,
            password=PASSWORD,
            content_encryption_algorithm=AES128,
            provider=Recording(),
        )
    # Content key, its IV, salt, IV, and what fills the second block.
    assert [len(each) for each in drawn] == [16, 16, 16, 16, 12] * 2
    assert len(set(drawn)) == len(drawn)


@pytest.mark.conforms("E-03", "E-04", "E-05")
def test_the_key_decides_not_the_password() -> None:
    rsa = keys.client()
    assert needs_password(EC)
    assert not needs_password(rsa.certificate)
    octets = envelop(
        b"content",
        recipient=rsa.certificate,
        password="short",
        content_encryption_algorithm=AES128,
        provider=PROVIDER,
    )
    assert tlv.parse(octets).at(1, 0, 0).dump() == tlv.integer(0)
    assert opened(octets, identities=(rsa,)) == b"content"


@pytest.mark.conforms("E-24", "E-26", "E-29")
@pytest.mark.parametrize(
    ("password", "text"),
    [
        (None, "The key of CN=x cannot decrypt, and there is no challenge password"),
        ("", "instead of 0"),
        ("ü" * (PASSWORD_LENGTH_MIN - 1), "16 random characters or more instead of 15"),
        ("\ud800" * PASSWORD_LENGTH_MIN, "lone surrogate"),
    ],
)
def test_passwords_that_nothing_is_encrypted_with(password: str | None, text: str) -> None:
    with pytest.raises(KeyCapabilityError, match=text) as caught:
        password_octets(password, recipient="CN=x")
    assert caught.value.argument == "challenge_password"
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    writers: tuple[Callable[[], bytes], ...] = (
        lambda: password_recipient_info(
            CONTENT_KEY, password, recipient="CN=x", cipher=AES128, provider=PROVIDER
        ),
        lambda: envelop(
            b"content",
            recipient=EC,
            password=password,
            content_encryption_algorithm=AES128,
            provider=PROVIDER,
        ),
    )
    for write in writers:
        with pytest.raises(KeyCapabilityError):
            write()


def test_the_shortest_password() -> None:
    assert password_octets("ü" * 16, recipient="CN=x") == "ü".encode() * 16


# ---------------------------------------------------------------------------------------- reading


@pytest.mark.conforms("E-23", "E-25")
@pytest.mark.parametrize("digest", HMACS)
@pytest.mark.parametrize("key_size", [16, 24, 32])
@pytest.mark.parametrize("size", [16, 24, 32])
def test_key_derivations_and_sizes(digest: str, key_size: int, size: int) -> None:
    key = bytes(range(100, 100 + size))
    recipient = replace(GOOD, digest=digest, key_size=key_size, content_key=key)
    assert content_key(recipient, size=size) == key


@pytest.mark.conforms("E-23", "E-25", "E-17")
@pytest.mark.parametrize(
    "recipient",
    [
        replace(GOOD, digest="sha1", prf=tlv.algorithm(HMACS["sha1"], tlv.null())),
        replace(GOOD, digest="sha1", prf=tlv.algorithm(HMACS["sha1"])),
        replace(GOOD, key_length=tlv.integer(16)),
        replace(GOOD, version=17),
        replace(GOOD, salt=b""),
        replace(GOOD, iterations=1),
        # More behind the key than need be.
        replace(GOOD, formatted=b"\x10\xff\xfe\xfd" + CONTENT_KEY + bytes(44)),
    ],
)
def test_what_peers_may_write(recipient: PasswordRecipientInfo) -> None:
    assert content_key(recipient) == CONTENT_KEY


@pytest.mark.conforms("E-23", "E-11")
def test_the_vector_of_rfc_3211() -> None:
    """Section 3, with 3DES: it holds a content key of 32 bytes, for another cipher."""
    wrapped = bytes.fromhex(
        "c03c514abdb9e2c5aac038572b5e24553876b377aafb82eca5a9d73f8ab143d9ec74e6cad7db260c"
    )
    recipient = PasswordRecipientInfo(
        derivation=tlv.explicit(
            0,
            tlv.oid(PBKDF2),
            tlv.seq(tlv.octets(bytes.fromhex("1234567878563412")), tlv.integer(500)),
        ),
        encryption=tlv.algorithm(
            PWRI_KEK,
            tlv.algorithm("1.2.840.113549.3.7", tlv.octets(bytes.fromhex("baf1ca7931213c4e"))),
        ),
        encrypted_key=wrapped,
    )
    password = "All n-entities must communicate with other n-entities via n-1 entiteeheehees"
    found = content_key(recipient, password, size=32, ciphers={DES3})
    assert found == bytes.fromhex(
        "8c637d887223a2f965b566eb014b0fa5d52300a3f7ea40fffc577203c71baf3b"
    )


@pytest.mark.conforms("E-24")
def test_each_password_is_tried() -> None:
    assert content_key(GOOD, "wrong", "\ud800", PASSWORD, "") == CONTENT_KEY
    assert content_key(GOOD, PASSWORD, "wrong") == CONTENT_KEY
    assert content_key(replace(GOOD, password="ü€🔑".encode()), "ü€🔑") == CONTENT_KEY


@pytest.mark.conforms("E-18", "E-28", "A-18")
def test_a_key_comes_before_a_password() -> None:
    ours, other = keys.client(), keys.stranger()
    pwri, odd = GOOD.encode(), tlv.explicit(3, tlv.null())
    to_us, to_other = (
        Envelope(recipient=each.certificate, content=b"").encode_recipient(CONTENT_KEY)
        for each in (ours, other)
    )
    # The second password recipient, or a malformed one, does not matter while a key opens it.
    for before in ((), (odd,), (pwri,)):
        octets = envelope(*before, to_us)
        assert opened(octets, "wrong", identities=(ours,)) == b"content"
        assert parse_enveloped_data(octets).addressee((ours,), ("wrong",)) is ours
    octets = envelope(to_other, tlv.explicit(1, tlv.null()), pwri, odd)
    assert opened(octets, PASSWORD, identities=(ours,)) == b"content"
    assert parse_enveloped_data(octets).addressee((ours,), (PASSWORD,)) is None
    with pytest.raises(MessageError, match="encrypted to serial number"):
        opened(octets, identities=(ours,))
    with pytest.raises(DecodeError):
        opened(envelope(odd, pwri), PASSWORD)


@pytest.mark.conforms("E-04", "A-18")
def test_without_a_password_the_kind_is_named() -> None:
    with pytest.raises(UnsupportedError, match=r"kind PASSWORD, and there is no") as caught:
        opened(envelope(GOOD.encode()), identities=(keys.client(),))
    assert caught.value.algorithm == RecipientKind.PASSWORD.name
    assert caught.value.fail_info_hint == 0


@pytest.mark.conforms("E-22", "M-05")
def test_ber() -> None:
    octets = tlv.parse(envelope(GOOD.encode())).ber(piece=7)
    assert opened(octets, PASSWORD) == b"content"


def test_nothing_is_shown() -> None:
    parsed = parse_enveloped_data(envelope(GOOD.encode()))
    assert repr(parsed.recipients) == "(PasswordRecipient(),)"


# ------------------------------------------------------------------------------- what is refused


@pytest.mark.conforms("E-25", "S-19")
def test_iterations_are_bounded() -> None:
    with pytest.raises(LimitExceeded, match="asks for 1000000000 iterations") as caught:
        content_key(replace(GOOD, iterations=10**9, counted=1))
    assert (caught.value.limit, caught.value.value) == ("message_kdf_iterations", 10**9)
    assert ITERATIONS < DEFAULT_LIMITS.message_kdf_iterations < DEFAULT_LIMITS.kdf_iterations
    limits = Limits(message_kdf_iterations=9)
    with pytest.raises(LimitExceeded):
        content_key(GOOD, limits=limits)
    assert content_key(replace(GOOD, iterations=9), limits=limits) == CONTENT_KEY
    for none in (0, -1):
        with pytest.raises(DecodeError, match="less than one iteration"):
            content_key(replace(GOOD, iterations=none, counted=1))
    # Those of the envelope are used.
    octets = envelope(GOOD.encode())
    with pytest.raises(LimitExceeded):
        parse_enveloped_data(octets, limits=limits).decrypt((), (PASSWORD,), provider=PROVIDER)


INNER = tlv.algorithm(tlv.AES128_CBC, tlv.octets(bytes(16)))


@pytest.mark.conforms("E-12", "S-05")
@pytest.mark.parametrize(
    ("recipient", "algorithm"),
    [
        (replace(GOOD, derivation=tlv.explicit(0, tlv.oid("1.3.6.1.4.1.11591.4.11"))), "11591"),
        (replace(GOOD, prf=tlv.algorithm("1.2.840.113549.2.6", tlv.null())), "113549.2.6"),
        (replace(GOOD, encryption=tlv.algorithm("2.16.840.1.101.3.4.1.5")), "3.4.1.5"),
        (replace(GOOD, encryption=INNER), tlv.AES128_CBC),
        (
            replace(
                GOOD,
                encryption=tlv.algorithm(PWRI_KEK, tlv.algorithm("1.2.3", tlv.octets(bytes(16)))),
            ),
            "1.2.3",
        ),
    ],
)
def test_algorithms_that_nobody_has(recipient: PasswordRecipientInfo, algorithm: str) -> None:
    with pytest.raises(UnsupportedError, match=algorithm) as caught:
        content_key(recipient)
    assert caught.value.fail_info_hint == 0


def under(cipher: ContentEncryptionAlgorithm) -> PasswordRecipientInfo:
    iv = tlv.octets(bytes(cipher.block_size))
    return replace(GOOD, encryption=tlv.algorithm(PWRI_KEK, tlv.algorithm(cipher.oid, iv)))


@pytest.mark.conforms("E-12", "S-04")
def test_weak_ciphers() -> None:
    every = frozenset(ContentEncryptionAlgorithm)
    with pytest.raises(WeakAlgorithm, match=r"content key .* single DES, which is never") as caught:
        content_key(under(DES), ciphers=every)
    assert (caught.value.algorithm, caught.value.argument) == ("DES_CBC", None)
    with pytest.raises(WeakAlgorithm, match="content key is encrypted with DES_EDE3") as caught:
        content_key(under(DES3))
    assert caught.value.argument == "read_legacy_ciphers"
    with pytest.raises(WeakAlgorithm) as caught:
        content_key(under(AES128), ciphers={DES3})
    rc2 = tlv.algorithm(PWRI_KEK, tlv.algorithm("1.2.840.113549.3.2", tlv.octets(bytes(8))))
    with pytest.raises(WeakAlgorithm, match="RC2"):
        content_key(replace(GOOD, encryption=rc2), ciphers=every)


@pytest.mark.parametrize(
    "recipient",
    [
        tlv.explicit(3),
        tlv.explicit(3, tlv.null()),
        tlv.seq(tlv.integer(0)),
        GOOD.encode() + tlv.null(),
        replace(GOOD, derivation=b""),
        replace(GOOD, derivation=tlv.explicit(0)),
        replace(GOOD, derivation=tlv.explicit(0, tlv.oid(PBKDF2))),
        replace(GOOD, derivation=tlv.explicit(0, tlv.oid(PBKDF2), tlv.seq(tlv.integer(1)))),
        replace(GOOD, derivation=tlv.explicit(1, tlv.oid(PBKDF2))),
        replace(GOOD, encryption=tlv.null()),
        replace(GOOD, encryption=tlv.algorithm(PWRI_KEK)),
        replace(GOOD, encryption=tlv.algorithm(PWRI_KEK, tlv.algorithm(tlv.AES128_CBC))),
        replace(
            GOOD,
            encryption=tlv.algorithm(
                PWRI_KEK, tlv.algorithm(tlv.AES128_CBC, tlv.octets(bytes(15)))
            ),
        ),
        replace(GOOD, trailer=tlv.null()),
        tlv.explicit(3, tlv.parse(GOOD.encode()).at(0).dump()),
        b"\xa4" + GOOD.encode()[1:],
    ],
)
def test_what_is_no_password_recipient(recipient: PasswordRecipientInfo | bytes) -> None:
    octets = recipient if isinstance(recipient, bytes) else recipient.encode()
    with pytest.raises(DecodeError):
        content_key(octets)


# --------------------------------------------------------------------------- one way to fail


FAULTS = {
    "another password": replace(GOOD, password=b"another"),
    "another salt": replace(GOOD, counted=11),
    "another length": replace(GOOD, formatted=b"\x11\xff\xfe\xfd" + CONTENT_KEY + bytes(12)),
    "a length beyond the end": replace(
        GOOD, formatted=b"\x1d\xff\xfe\xfd" + CONTENT_KEY + bytes(12)
    ),
    "no length": replace(GOOD, formatted=b"\x00\xff\xfe\xfd" + CONTENT_KEY + bytes(12)),
    "a length of two": replace(GOOD, formatted=b"\x02\xff\xfe" + bytes(29)),
    "another check value": replace(GOOD, formatted=b"\x10\xff\xfe\xfc" + CONTENT_KEY + bytes(12)),
    "a key of another size": replace(GOOD, content_key=bytes(24)),
    "one block": replace(GOOD, encrypted_key=bytes(16)),
    "no block": replace(GOOD, encrypted_key=b""),
    "half a block": replace(GOOD, encrypted_key=bytes(40)),
    "garbage": replace(GOOD, encrypted_key=bytes(range(64))),
}


@pytest.mark.conforms("E-16", "E-23", "S-06", "S-07")
@pytest.mark.parametrize("recipient", FAULTS.values(), ids=FAULTS.keys())
def test_every_failure_is_the_same(recipient: PasswordRecipientInfo) -> None:
    assert content_key(recipient) == SUBSTITUTE
    with pytest.raises(DecryptionFailed) as caught:
        opened(envelope(recipient.encode()), PASSWORD, provider=Fixed())
    assert caught.value.args == (DecryptionFailed.TEXT,)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


@pytest.mark.conforms("E-16", "S-06")
@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_success_and_failure_take_the_same_steps(password: str) -> None:
    steps: list[str] = []

    class Watched(Fixed):
        def random_bytes(self, size: int) -> bytes:
            steps.append(f"random {size}")
            return super().random_bytes(size)

        def pbkdf2(
            self,
            password: bytes,
            salt: bytes,
            *,
            iterations: int,
            key_length: int,
            digest: DigestAlgorithm,
        ) -> bytes:
            steps.append(f"derive {iterations} {digest.name}")
            return super().pbkdf2(
                password, salt, iterations=iterations, key_length=key_length, digest=digest
            )

        def decrypt_content(
            self, key: bytes, iv: bytes, ciphertext: bytes, algorithm: ContentEncryptionAlgorithm
        ) -> bytes:
            steps.append(f"decrypt {len(ciphertext)}")
            if len(steps) == 6:
                return b""
            return super().decrypt_content(key, iv, ciphertext, algorithm)

    opened(envelope(GOOD.encode()), password, provider=Watched())
    assert steps == [
        "random 16",
        "derive 10 SHA256",
        *("decrypt 32", "decrypt 48", "decrypt 48"),
        "decrypt 16",
    ]


@pytest.mark.conforms("E-09", "E-05")
def test_key_transport_to_a_key_that_cannot_decrypt() -> None:
    """A peer that did so has misunderstood something, and hears which key encryption it was."""
    octets = envelope(
        Envelope(recipient=EC, content=b"", encrypted_key=bytes(256)).encode_recipient()
    )
    identity = Identity(certificate=EC, key=keys.ec(1))
    with pytest.raises(UnsupportedError, match="RSA_PKCS1_V15"):
        opened(octets, PASSWORD, identities=(identity,))
