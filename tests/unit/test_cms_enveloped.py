"""pyscep.cms_enveloped: one recipient written, many kinds met, one way to fail."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, KeyEncryptionAlgorithm, SignatureAlgorithm
from pyscep.certificates import Identity, parse_certificate
from pyscep.cms_enveloped import (
    STANDARD_CIPHERS,
    KeyTransRecipient,
    OtherRecipient,
    RecipientKind,
    envelop,
    parse_enveloped_data,
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
from pyscep.identifiers import CertificateIdentifier
from pyscep.limits import Limits
from tests.helpers import keys, tlv
from tests.helpers.message_factory import Envelope

PROVIDER = keys.provider()
CONTENT = b"what is inside the envelope"
V15, OAEP_SHA1 = KeyEncryptionAlgorithm.RSA_PKCS1_V15, KeyEncryptionAlgorithm.RSA_OAEP_SHA1
AES128, DES, DES3 = (
    ContentEncryptionAlgorithm.AES128_CBC,
    ContentEncryptionAlgorithm.DES_CBC,
    ContentEncryptionAlgorithm.DES_EDE3_CBC,
)
AES = [AES128, ContentEncryptionAlgorithm.AES192_CBC, ContentEncryptionAlgorithm.AES256_CBC]
PKCS1_IDENTIFIER = tlv.algorithm(tlv.RSA_ENCRYPTION, tlv.null())


def identity_of(number: int, *, serial: int = 1, ski: bytes | None = None) -> Identity:
    items = () if ski is None else (tlv.extension("2.5.29.14", tlv.octets(ski)),)
    octets = tlv.certificate(
        keys.rsa(number), subject=tlv.name(f"R{number}"), serial=serial, extensions=items
    )
    return Identity(certificate=parse_certificate(octets), key=keys.rsa(number))


OURS, OTHER = identity_of(0), identity_of(1)
ENVELOPE = Envelope(recipient=OURS.certificate, content=CONTENT)


def opened(envelope: Envelope | bytes, *identities: Identity, **options: Any) -> bytes:
    octets = envelope if isinstance(envelope, bytes) else envelope.encode()
    parsed = parse_enveloped_data(octets)
    return parsed.decrypt(identities or (OURS,), provider=PROVIDER, **options)


# ---------------------------------------------------------------------------------------- writing


@pytest.mark.conforms("E-01", "E-03", "E-07", "E-08", "E-10", "E-17", "G-24")
def test_every_part_of_what_is_written() -> None:
    octets = envelop(
        CONTENT,
        recipient=OURS.certificate,
        content_encryption_algorithm=AES128,
        provider=PROVIDER,
    )
    tree = tlv.parse(octets)
    recipient, encrypted = tree.at(1, 0, 1, 0), tree.at(1, 0, 2)
    rid = tlv.issuer_and_serial(OURS.certificate.der)
    encrypted_key, iv = recipient.at(3).contents, encrypted.at(1, 1).contents
    assert octets == tlv.enveloped(
        tlv.key_trans(rid, encrypted_key, identifier=PKCS1_IDENTIFIER, version=0),
        cipher=tlv.algorithm(tlv.AES128_CBC, tlv.octets(iv)),
        content=tlv.implicit(0, encrypted.at(2).contents),
    )
    assert (len(encrypted_key), len(iv)) == (256, 16)
    content_key = OURS.key.decrypt(encrypted_key, V15)
    assert PROVIDER.decrypt_content(content_key, iv, encrypted.at(2).contents, AES128) == CONTENT


@pytest.mark.conforms("E-10", "E-11", "E-13", "E-09")
@pytest.mark.parametrize("key_encryption", [V15, OAEP_SHA1])
@pytest.mark.parametrize("cipher", [*AES, DES3])
@pytest.mark.parametrize("content", [b"", b"x" * 15, b"x" * 16, CONTENT])
def test_what_is_written_is_read(
    content: bytes, cipher: ContentEncryptionAlgorithm, key_encryption: KeyEncryptionAlgorithm
) -> None:
    octets = envelop(
        content,
        recipient=OURS.certificate,
        content_encryption_algorithm=cipher,
        key_encryption_algorithm=key_encryption,
        provider=PROVIDER,
    )
    assert opened(octets, ciphers={cipher}) == content


@pytest.mark.conforms("E-15")
def test_key_and_iv_are_new_each_time() -> None:
    drawn: list[bytes] = []

    class Recording(OscryptoProvider):
        def random_bytes(self, size: int) -> bytes:
            drawn.append(super().random_bytes(size))
            return drawn[-1]

    for _ in range(2):
        envelop(
            CONTENT,
            recipient=OURS.certificate,
            content_encryption_algorithm=AES128,
            provider=Recording(),
        )
    assert [len(each) for each in drawn] == [16] * 4
    assert len(set(drawn)) == 4


@pytest.mark.conforms("E-12", "L-03")
def test_single_des_is_never_written() -> None:
    with pytest.raises(WeakAlgorithm, match="never sent") as caught:
        envelop(
            CONTENT,
            recipient=OURS.certificate,
            content_encryption_algorithm=DES,
            provider=PROVIDER,
        )
    assert (caught.value.algorithm, caught.value.argument) == ("DES_CBC", None)


@pytest.mark.conforms("E-06", "E-26")
@pytest.mark.parametrize(
    "public_key",
    [keys.ec().public_key, keys.ED25519],
    ids=["EC", "Ed25519"],
)
def test_nothing_is_written_to_a_key_that_cannot_decrypt(public_key: bytes) -> None:
    certificate = parse_certificate(
        tlv.certificate(keys.ec(), subject=tlv.name("EC"), public_key=public_key)
    )
    with pytest.raises(KeyCapabilityError, match="key of CN=EC cannot decrypt") as caught:
        envelop(
            CONTENT,
            recipient=certificate,
            content_encryption_algorithm=AES128,
            provider=PROVIDER,
        )
    assert caught.value.argument == "challenge_password"


@pytest.mark.conforms("E-09")
def test_oaep_is_written_with_empty_parameters_for_its_defaults() -> None:
    octets = envelop(
        CONTENT,
        recipient=OURS.certificate,
        content_encryption_algorithm=AES128,
        key_encryption_algorithm=OAEP_SHA1,
        provider=PROVIDER,
    )
    identifier = tlv.parse(octets).at(1, 0, 1, 0, 2).dump()
    assert identifier == tlv.algorithm(tlv.RSAES_OAEP, tlv.seq())


@pytest.mark.conforms("E-09")
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_oaep_with_other_hashes_is_written_where_the_provider_can(digest: str) -> None:
    class Pretending(OscryptoProvider):
        def encrypt_key(
            self, public_key: bytes, content_key: bytes, algorithm: KeyEncryptionAlgorithm
        ) -> bytes:
            return algorithm.name.encode()

    algorithm = KeyEncryptionAlgorithm[f"RSA_OAEP_{digest.upper()}"]
    octets = envelop(
        CONTENT,
        recipient=OURS.certificate,
        content_encryption_algorithm=AES128,
        key_encryption_algorithm=algorithm,
        provider=Pretending(),
    )
    (recipient,) = parse_enveloped_data(octets).recipients
    assert isinstance(recipient, KeyTransRecipient)
    assert recipient.encrypted_key == algorithm.name.encode()
    assert recipient.algorithm_identifier == oaep(digest, digest)
    with pytest.raises(UnsupportedError) as caught:
        envelop(
            CONTENT,
            recipient=OURS.certificate,
            content_encryption_algorithm=AES128,
            key_encryption_algorithm=algorithm,
            provider=OscryptoProvider(),
        )
    assert (caught.value.algorithm, caught.value.provider) == (algorithm.name, "oscrypto")


# ------------------------------------------------------------------------------ what can be read


@pytest.mark.conforms("E-10", "E-13", "E-22")
@pytest.mark.parametrize("cipher", AES)
@pytest.mark.parametrize("pieces", [None, 16, 7])
def test_ciphers_and_pieces(cipher: ContentEncryptionAlgorithm, pieces: int | None) -> None:
    assert opened(replace(ENVELOPE, cipher=cipher, pieces=pieces)) == CONTENT


@pytest.mark.conforms("E-22", "M-05")
@pytest.mark.parametrize("piece", [1, 100])
def test_ber(piece: int) -> None:
    for envelope in (ENVELOPE, replace(ENVELOPE, pieces=10)):
        assert opened(tlv.parse(envelope.encode()).ber(piece=piece)) == CONTENT


@pytest.mark.conforms("E-07")
def test_the_recipient_is_named_by_key_identifier() -> None:
    ours = identity_of(0, ski=b"key id")
    envelope = replace(
        ENVELOPE,
        recipient=ours.certificate,
        rid=tlv.implicit(0, b"key id"),
        recipient_version=2,
        version=2,
    )
    assert opened(envelope, OTHER, ours) == CONTENT
    (recipient,) = parse_enveloped_data(envelope.encode()).recipients
    assert isinstance(recipient, KeyTransRecipient)
    assert recipient.identifier == CertificateIdentifier(subject_key_identifier=b"key id")
    with pytest.raises(MessageError, match="encrypted to key identifier 6b6579206964"):
        opened(envelope)


@pytest.mark.conforms("E-07", "E-17")
def test_versions_do_not_matter() -> None:
    assert opened(replace(ENVELOPE, version=2, recipient_version=17)) == CONTENT


@pytest.mark.conforms("G-24")
def test_the_issuer_is_compared_as_a_name() -> None:
    name = tlv.seq(tlv.rdn((tlv.CN, tlv.printable("r0"))))
    assert opened(replace(ENVELOPE, rid=tlv.seq(name, tlv.integer(1)))) == CONTENT


KARI, KEKRI, PWRI, ORI = (tlv.explicit(n, tlv.integer(0)) for n in (1, 2, 3, 4))


@pytest.mark.conforms("E-18", "E-28")
@pytest.mark.parametrize("others", [(), (KARI,), (KEKRI, PWRI, ORI)])
def test_ours_is_not_the_first_recipient(others: tuple[bytes, ...]) -> None:
    foreign = replace(ENVELOPE, recipient=OTHER.certificate).encode_recipient()
    envelope = replace(ENVELOPE, recipients_before=(*others, foreign), recipients_after=others)
    assert opened(envelope) == CONTENT
    # Whichever of our identities it is.
    renewed = identity_of(0, serial=2)
    assert opened(envelope, renewed, OURS) == CONTENT
    assert parse_enveloped_data(envelope.encode()).addressee((renewed, OURS)) is OURS


@pytest.mark.conforms("E-12", "L-10")
@pytest.mark.parametrize("cipher", [DES, DES3])
def test_legacy_ciphers_are_read_when_named(cipher: ContentEncryptionAlgorithm) -> None:
    envelope = replace(ENVELOPE, cipher=cipher)
    assert opened(envelope, ciphers=STANDARD_CIPHERS | {cipher}) == CONTENT
    with pytest.raises(WeakAlgorithm, match=rf"read_legacy_ciphers=.*\.{cipher.name}") as caught:
        opened(envelope)
    assert caught.value.algorithm == cipher.name
    assert caught.value.argument == "read_legacy_ciphers"
    assert caught.value.fail_info_hint == 0


@pytest.mark.conforms("E-12")
def test_the_standard_ciphers_are_all_aes() -> None:
    assert set(AES) == STANDARD_CIPHERS


def oaep(
    digest: str | None, mask: str | None, *label: bytes, mask_function: str = tlv.MGF1
) -> bytes:
    oids = {"sha1": tlv.SHA1, "sha256": tlv.SHA256, "sha512": tlv.SHA512, "md5": tlv.MD5}
    oids["sha384"] = "2.16.840.1.101.3.4.2.2"
    oids["sha224"] = "2.16.840.1.101.3.4.2.4"
    pieces = []
    if digest is not None:
        pieces.append(tlv.explicit(0, tlv.algorithm(oids[digest], tlv.null())))
    if mask is not None:
        inner = tlv.algorithm(oids[mask], tlv.null())
        pieces.append(tlv.explicit(1, tlv.algorithm(mask_function, inner)))
    return tlv.algorithm(tlv.RSAES_OAEP, tlv.seq(*pieces, *label))


P_SPECIFIED = "1.2.840.113549.1.1.9"
EMPTY_LABEL = tlv.explicit(2, tlv.algorithm(P_SPECIFIED, tlv.octets(b"")))


@pytest.mark.conforms("E-08", "E-09")
@pytest.mark.parametrize(
    ("identifier", "algorithm"),
    [
        (PKCS1_IDENTIFIER, V15),
        (tlv.algorithm(tlv.RSA_ENCRYPTION), V15),
        (tlv.algorithm(tlv.RSAES_OAEP), OAEP_SHA1),
        (oaep(None, None), OAEP_SHA1),
        (oaep("sha1", None), OAEP_SHA1),
        (oaep(None, "sha1"), OAEP_SHA1),
        (oaep("sha1", "sha1"), OAEP_SHA1),
        (oaep("sha1", "sha1", EMPTY_LABEL), OAEP_SHA1),
        (oaep(None, None, tlv.explicit(2, tlv.algorithm(P_SPECIFIED))), OAEP_SHA1),
    ],
)
def test_key_encryption(identifier: bytes, algorithm: KeyEncryptionAlgorithm) -> None:
    envelope = replace(ENVELOPE, key_encryption=algorithm, key_encryption_identifier=identifier)
    assert opened(envelope) == CONTENT


@pytest.mark.conforms("E-09")
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_oaep_with_another_hash_is_named(digest: str) -> None:
    name = f"RSA_OAEP_{digest.upper()}"
    octets = replace(ENVELOPE, key_encryption_identifier=oaep(digest, digest)).encode()
    opener = FakeKey(offered=frozenset((V15, OAEP_SHA1)))
    with pytest.raises(UnsupportedError, match=f"encrypted with {name}") as caught:
        opened(octets, opener.identity())
    assert caught.value.algorithm == name
    assert opener.asked == []
    # A key that has it is asked for just that.
    capable = FakeKey(offered=frozenset((KeyEncryptionAlgorithm[name],)))
    assert opened(octets, capable.identity()) == CONTENT
    assert capable.asked == [KeyEncryptionAlgorithm[name]]


@pytest.mark.conforms("E-09", "S-05")
@pytest.mark.parametrize(
    ("identifier", "oid"),
    [
        (oaep("sha256", None), tlv.RSAES_OAEP),
        (oaep("sha256", "sha1"), tlv.RSAES_OAEP),
        (oaep(None, "sha256"), tlv.RSAES_OAEP),
        (oaep("sha224", "sha224"), tlv.RSAES_OAEP),
        (
            oaep("sha1", "sha1", tlv.explicit(2, tlv.algorithm(P_SPECIFIED, tlv.octets(b"x")))),
            tlv.RSAES_OAEP,
        ),
        (oaep("sha1", "sha1", mask_function="1.2.3"), "1.2.3"),
        (tlv.algorithm("1.2.3"), "1.2.3"),
        (tlv.algorithm("1.2.840.113549.1.9.16.3.14"), "1.2.840.113549.1.9.16.3.14"),
    ],
)
def test_key_encryption_that_nobody_has(identifier: bytes, oid: str) -> None:
    with pytest.raises(UnsupportedError, match=oid) as caught:
        opened(replace(ENVELOPE, key_encryption_identifier=identifier))
    assert caught.value.algorithm == oid
    assert caught.value.fail_info_hint == 0


@pytest.mark.conforms("E-09", "S-04")
@pytest.mark.parametrize("identifier", [oaep("md5", None), oaep("sha1", "md5")])
def test_oaep_with_md5(identifier: bytes) -> None:
    with pytest.raises(WeakAlgorithm) as caught:
        opened(replace(ENVELOPE, key_encryption_identifier=identifier))
    assert caught.value.algorithm == "MD5"


@pytest.mark.parametrize(
    "identifier",
    [
        tlv.seq(),
        tlv.algorithm(tlv.RSAES_OAEP, tlv.null()),
        tlv.algorithm(tlv.RSAES_OAEP, tlv.seq(tlv.null())),
        oaep("sha1", "sha1", EMPTY_LABEL, tlv.null()),
        oaep(None, None, tlv.explicit(2, tlv.null())),
    ],
)
def test_malformed_key_encryption(identifier: bytes) -> None:
    with pytest.raises(DecodeError):
        opened(replace(ENVELOPE, key_encryption_identifier=identifier))


# ----------------------------------------------------------------------------- what is refused


@pytest.mark.conforms("E-28")
@pytest.mark.parametrize(
    ("recipient", "kind"),
    [
        (KARI, RecipientKind.KEY_AGREEMENT),
        (KEKRI, RecipientKind.KEY_ENCRYPTION_KEY),
        (ORI, RecipientKind.OTHER),
    ],
)
def test_other_kinds_of_recipients_are_refused_by_name(
    recipient: bytes, kind: RecipientKind
) -> None:
    octets = tlv.enveloped(
        recipient,
        cipher=tlv.algorithm(tlv.AES128_CBC, tlv.octets(bytes(16))),
        content=tlv.implicit(0, bytes(16)),
    )
    assert parse_enveloped_data(octets).recipients == (OtherRecipient(kind=kind),)
    with pytest.raises(UnsupportedError, match=f"recipient of kind {kind.name}") as caught:
        opened(octets)
    assert caught.value.algorithm == kind.name
    assert caught.value.fail_info_hint == 0


@pytest.mark.conforms("E-18", "E-19", "A-18")
@pytest.mark.parametrize("more", [(), (PWRI,)])
def test_an_envelope_for_somebody_else(more: tuple[bytes, ...]) -> None:
    envelope = replace(ENVELOPE, recipient=OTHER.certificate, recipients_after=more)
    with pytest.raises(
        MessageError, match=r"to serial number 1 of CN=R1, but this side is 1 \(serial"
    ) as caught:
        opened(envelope)
    assert caught.value.reference == "RFC 8894 section 2.3"


@pytest.mark.conforms("E-19")
def test_an_envelope_for_nobody() -> None:
    octets = tlv.enveloped(
        cipher=tlv.algorithm(tlv.AES128_CBC, tlv.octets(bytes(16))), content=tlv.implicit(0, b"")
    )
    with pytest.raises(MessageError, match="encrypted to nobody"):
        opened(octets)
    with pytest.raises(MessageError, match="encrypted to serial number 1 of CN=R0"):
        parse_enveloped_data(ENVELOPE.encode()).decrypt((), provider=PROVIDER)


def with_cipher(identifier: bytes) -> Envelope:
    return replace(ENVELOPE, cipher_identifier=identifier)


@pytest.mark.conforms("E-14", "S-05")
@pytest.mark.parametrize("oid", ["2.16.840.1.101.3.4.1.6", "2.16.840.1.101.3.4.1.46", "1.2.3"])
def test_gcm_in_enveloped_data_and_unknown_ciphers(oid: str) -> None:
    parameters = tlv.seq(tlv.octets(bytes(12)), tlv.integer(16))
    with pytest.raises(UnsupportedError, match=oid) as caught:
        opened(with_cipher(tlv.algorithm(oid, parameters)))
    assert caught.value.algorithm == oid
    assert caught.value.fail_info_hint == 0


@pytest.mark.conforms("E-12", "S-04")
@pytest.mark.parametrize(
    ("oid", "name"), [("1.2.840.113549.3.2", "RC2-CBC"), ("1.2.840.113549.3.4", "RC4")]
)
def test_rc2_and_rc4(oid: str, name: str) -> None:
    with pytest.raises(WeakAlgorithm) as caught:
        opened(with_cipher(tlv.algorithm(oid, tlv.octets(bytes(8)))))
    assert (caught.value.algorithm, caught.value.argument) == (name, None)


@pytest.mark.conforms("E-10")
@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ((), "ends where"),
        ((tlv.null(),), "an OCTET STRING"),
        ((tlv.octets(bytes(8)),), "8 bytes instead of 16"),
        ((tlv.octets(bytes(17)),), "17 bytes instead of 16"),
        ((tlv.octets(b""),), "0 bytes instead of 16"),
    ],
)
def test_initialisation_vectors(parameters: tuple[bytes, ...], text: str) -> None:
    with pytest.raises(DecodeError, match=text):
        opened(with_cipher(tlv.algorithm(tlv.AES128_CBC, *parameters)))


@pytest.mark.conforms("E-01")
@pytest.mark.parametrize("inner", [tlv.SIGNED_DATA, tlv.ENVELOPED_DATA, "1.2.3"])
def test_what_is_inside_is_data(inner: str) -> None:
    with pytest.raises(MessageError, match=f"of type {inner}, but SCEP encrypts") as caught:
        parse_enveloped_data(replace(ENVELOPE, inner_type=inner).encode())
    assert caught.value.reference == "RFC 8894 section 3.2.2"


CIPHER = tlv.algorithm(tlv.AES128_CBC, tlv.octets(bytes(16)))
CIPHERTEXT = tlv.implicit(0, bytes(16))
RECIPIENT = ENVELOPE.encode_recipient()
TREE = tlv.parse(ENVELOPE.encode())
NULL = tlv.parse(tlv.null())


def test_optional_parts_are_passed_over() -> None:
    octets = tlv.enveloped(
        RECIPIENT,
        cipher=CIPHER,
        content=CIPHERTEXT,
        originator=tlv.explicit(0, tlv.null()),
        unprotected=tlv.explicit(1, tlv.null()),
    )
    assert parse_enveloped_data(octets).encrypted_content == bytes(16)


@pytest.mark.conforms("E-01", "M-02", "M-42")
@pytest.mark.parametrize(
    "octets",
    [
        b"",
        tlv.null(),
        ENVELOPE.encode() + b"\x00",
        ENVELOPE.encode()[:-1],
        tlv.csr(keys.ec(), subject=tlv.name("a")),
        tlv.enveloped(RECIPIENT, cipher=CIPHER, content=CIPHERTEXT, outer_type=tlv.DATA),
        tlv.enveloped(RECIPIENT, cipher=CIPHER, content=CIPHERTEXT, trailer=tlv.null()),
        tlv.enveloped(RECIPIENT, cipher=CIPHER, content=CIPHERTEXT, unprotected=tlv.null()),
        tlv.enveloped(RECIPIENT, cipher=CIPHER, content=b""),
        tlv.enveloped(RECIPIENT, cipher=CIPHER, content=tlv.octets(b"")),
        tlv.enveloped(RECIPIENT, cipher=CIPHER, content=tlv.explicit(0, tlv.null())),
        tlv.enveloped(RECIPIENT, cipher=CIPHER, content=CIPHERTEXT + tlv.null()),
        tlv.enveloped(RECIPIENT, cipher=tlv.null(), content=CIPHERTEXT),
        tlv.enveloped(
            RECIPIENT,
            cipher=tlv.algorithm(tlv.AES128_CBC, tlv.null(), tlv.null()),
            content=CIPHERTEXT,
        ),
        tlv.enveloped(tlv.null(), cipher=CIPHER, content=CIPHERTEXT),
        tlv.enveloped(tlv.seq(), cipher=CIPHER, content=CIPHERTEXT),
        tlv.enveloped(tlv.explicit(5), cipher=CIPHER, content=CIPHERTEXT),
        tlv.seq(tlv.oid(tlv.ENVELOPED_DATA), tlv.explicit(0, TREE.at(1, 0).dump(), tlv.null())),
        *(TREE.with_at((1, 0, n), NULL).dump() for n in range(3)),
        *(TREE.with_at((1, 0, n), None).dump() for n in range(3)),
        *(TREE.with_at((1, 0, 1, 0, n), NULL).dump() for n in range(4)),
        *(TREE.with_at((1, 0, 1, 0, n), None).dump() for n in range(4)),
        *(TREE.with_at((1, 0, 2, n), NULL).dump() for n in range(3)),
        tlv.enveloped(
            tlv.seq(*(tlv.parse(RECIPIENT).at(n).dump() for n in range(4)), tlv.null()),
            cipher=CIPHER,
            content=CIPHERTEXT,
        ),
    ],
)
def test_what_is_no_enveloped_data(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_enveloped_data(octets)


@pytest.mark.conforms("S-19", "T-29")
@pytest.mark.parametrize(
    ("limits", "limit", "value"),
    [
        (Limits(message_size=100), "message_size", None),
        (Limits(recipients=2), "recipients", 3),
        (Limits(depth=3), "depth", 4),
        (Limits(elements=9), "elements", 10),
    ],
)
def test_limits(limits: Limits, limit: str, value: int | None) -> None:
    octets = replace(ENVELOPE, recipients_before=(PWRI, KARI)).encode()
    if limit in ("depth", "elements"):
        octets = tlv.parse(octets).ber(piece=100)
    parse_enveloped_data(octets)
    with pytest.raises(LimitExceeded) as caught:
        parse_enveloped_data(octets, limits=limits)
    assert caught.value.limit == limit
    assert value is None or caught.value.value == value


def test_a_parsed_envelope_shows_nothing_of_its_content() -> None:
    shown = repr(parse_enveloped_data(ENVELOPE.encode()))
    assert "KeyTransRecipient" in shown
    assert "encrypted" not in shown.replace("content_encryption_oid", "")


# --------------------------------------------------------------------------- one way to fail


@dataclass(eq=False)
class FakeKey:
    """A key that hands out what it is told to, or fails."""

    offered: frozenset[KeyEncryptionAlgorithm] = frozenset((V15,))
    plaintext: bytes | None = bytes(range(16))
    asked: list[KeyEncryptionAlgorithm] = field(default_factory=list)

    public_key: bytes = OURS.certificate.public_key
    signature_algorithms: AbstractSet[SignatureAlgorithm] = frozenset()

    @property
    def key_encryption_algorithms(self) -> AbstractSet[KeyEncryptionAlgorithm]:
        return self.offered

    def sign(self, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        raise NotImplementedError

    def decrypt(self, ciphertext: bytes, algorithm: KeyEncryptionAlgorithm) -> bytes:
        self.asked.append(algorithm)
        if self.plaintext is None:
            raise DecryptionFailed
        return self.plaintext

    def identity(self) -> Identity:
        return Identity(certificate=OURS.certificate, key=self)


class Predictable(OscryptoProvider):
    """Draws always the same substitute, so that what happens with it does not depend on chance.

    A random key finds the right padding once in 256 times, and then garbage comes out, as for any
    other content that was not meant for us.
    """

    def random_bytes(self, size: int) -> bytes:
        return b"\x5a" * size


def failure(octets: bytes, identity: Identity = OURS) -> DecryptionFailed:
    parsed = parse_enveloped_data(octets)
    with pytest.raises(DecryptionFailed) as caught:
        parsed.decrypt((identity,), provider=Predictable())
    return caught.value


CIPHERTEXT_OF_CONTENT = TREE.at(1, 0, 2, 2).contents
FAULTS = {
    "no RSA block": replace(ENVELOPE, encrypted_key=b"\x01" * 256),
    "block of zeros": replace(ENVELOPE, encrypted_key=bytes(256)),
    "block above the modulus": replace(ENVELOPE, encrypted_key=b"\xff" * 256),
    "short block": replace(ENVELOPE, encrypted_key=b"\x01" * 10),
    "no block": replace(ENVELOPE, encrypted_key=b""),
    "OAEP said to be v1.5": replace(ENVELOPE, key_encryption=OAEP_SHA1),
    "v1.5 said to be OAEP": replace(
        ENVELOPE, key_encryption_identifier=tlv.algorithm(tlv.RSAES_OAEP)
    ),
    "key of 8 bytes": replace(ENVELOPE, content_key=bytes(8)),
    "key of 15 bytes": replace(ENVELOPE, content_key=bytes(15)),
    "key of 24 bytes": replace(ENVELOPE, content_key=bytes(24)),
    "wrong key": replace(ENVELOPE, content_key=bytes(16)),
    "bad padding": replace(ENVELOPE, encrypted_content=CIPHERTEXT_OF_CONTENT[:-1] + b"\x00"),
    "half a block": replace(ENVELOPE, encrypted_content=CIPHERTEXT_OF_CONTENT[:-8]),
    "a block less": replace(ENVELOPE, encrypted_content=CIPHERTEXT_OF_CONTENT[:-16]),
    "no content": replace(ENVELOPE, encrypted_content=b""),
}


@pytest.mark.conforms("E-16", "S-06", "S-07")
@pytest.mark.parametrize("envelope", FAULTS.values(), ids=FAULTS.keys())
def test_every_failure_to_decrypt_is_the_same(envelope: Envelope) -> None:
    error = failure(envelope.encode())
    assert type(error) is DecryptionFailed
    assert error.args == (DecryptionFailed.TEXT,)
    assert error.__dict__ == {}
    assert error.__cause__ is None
    assert error.__context__ is None
    assert error.fail_info_hint == 2


@pytest.mark.conforms("E-16", "S-06")
@pytest.mark.parametrize("plaintext", [None, b"", bytes(8), bytes(15), bytes(32), bytes(245)])
def test_a_key_that_fails_or_returns_garbage(plaintext: bytes | None) -> None:
    # Garbage of any length is what OpenSSL returns from 3.2 on instead of failing.
    key = FakeKey(plaintext=plaintext)
    error = failure(ENVELOPE.encode(), key.identity())
    assert (error.args, error.__cause__, error.__context__) == (
        (DecryptionFailed.TEXT,),
        None,
        None,
    )
    assert key.asked == [V15]


@pytest.mark.conforms("E-12", "E-16", "S-06")
def test_one_recipient_is_tried_with_a_key_alone() -> None:
    parsed = parse_enveloped_data(ENVELOPE.encode())
    (recipient,) = parsed.recipients
    assert isinstance(recipient, KeyTransRecipient)
    assert parsed.decrypt_with_key(recipient, OURS.key, provider=PROVIDER) == CONTENT
    with pytest.raises(DecryptionFailed):
        parsed.decrypt_with_key(recipient, OTHER.key, provider=Predictable())
    with pytest.raises(WeakAlgorithm, match="AES128_CBC"):
        parsed.decrypt_with_key(recipient, OURS.key, provider=PROVIDER, ciphers=frozenset())


@pytest.mark.conforms("E-16", "S-06")
@pytest.mark.parametrize("plaintext", [None, bytes(15), bytes(range(16))])
def test_success_and_failure_take_the_same_steps(plaintext: bytes | None) -> None:
    steps: list[str] = []

    class Watched(Predictable):
        def random_bytes(self, size: int) -> bytes:
            steps.append(f"random {size}")
            return super().random_bytes(size)

        def decrypt_content(
            self, key: bytes, iv: bytes, ciphertext: bytes, algorithm: ContentEncryptionAlgorithm
        ) -> bytes:
            steps.append(f"decrypt {len(key)}")
            return b""

    parsed = parse_enveloped_data(ENVELOPE.encode())
    parsed.decrypt((FakeKey(plaintext=plaintext).identity(),), provider=Watched())
    assert steps == ["random 16", "decrypt 16"]
