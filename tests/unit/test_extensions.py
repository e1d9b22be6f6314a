"""pyscep.extensions: what a request can ask for, and what a certificate can say."""

from __future__ import annotations

import pytest

from pyscep import der, extensions
from pyscep.errors import DecodeError, LimitExceeded, UsageError
from pyscep.extensions import (
    ExtendedKeyUsage,
    Extension,
    GeneralName,
    GeneralNameKind,
    KeyUsage,
    MicrosoftTemplate,
)
from pyscep.limits import Limits
from pyscep.names import Name, build_name
from tests.helpers import tlv

UPN_OID = "1.3.6.1.4.1.311.20.2.3"


def read(encoded: bytes, *, limits: Limits | None = None) -> tuple[Extension, ...]:
    reader = der.Reader(encoded)
    return extensions.read_extensions(reader, limits=limits or Limits())


# ---------------------------------------------------------------------------- alternative names

NAMES = [
    (GeneralName.dns("sensor.example"), "dns:sensor.example", tlv.implicit(2, b"sensor.example")),
    (GeneralName.email("a@b"), "email:a@b", tlv.implicit(1, b"a@b")),
    (GeneralName.uri("urn:x:1"), "uri:urn:x:1", tlv.implicit(6, b"urn:x:1")),
    (GeneralName.ip("192.0.2.1"), "ip:192.0.2.1", tlv.implicit(7, bytes((192, 0, 2, 1)))),
    (
        GeneralName.ip("2001:db8::1"),
        "ip:2001:db8::1",
        tlv.implicit(7, bytes.fromhex("20010db8000000000000000000000001")),
    ),
    (
        GeneralName.upn("host/s\u00e9nsor@EXAMPLE"),
        "upn:host/s\u00e9nsor@EXAMPLE",
        tlv.explicit(0, tlv.oid(UPN_OID), tlv.explicit(0, tlv.utf8("host/s\u00e9nsor@EXAMPLE"))),
    ),
    (
        GeneralName.directory_name("CN=a,O=b"),
        "dir:CN=a,O=b",
        tlv.explicit(4, build_name("CN=a,O=b").der),
    ),
]


@pytest.mark.parametrize(("name", "text", "encoded"), NAMES)
def test_alternative_names(name: GeneralName, text: str, encoded: bytes) -> None:
    assert extensions.parse_general_name(text) == name
    assert extensions.parse_general_name(f" {text.replace(':', ' : ', 1)} ") == name
    extension = extensions.subject_alt_name([name])
    assert extension == Extension(oid="2.5.29.17", value=tlv.seq(encoded))
    assert extensions.read_subject_alt_names((extension,)) == (name,)


def test_several_names_keep_their_order() -> None:
    names = tuple(name for name, _, _ in NAMES)
    extension = extensions.subject_alt_name(names, critical=True)
    assert extension.critical
    assert extensions.read_subject_alt_names((extension,)) == names
    assert extensions.read_subject_alt_names(()) == ()


@pytest.mark.parametrize("text", ["#17", "#0401ff", "a,b+c", " a ", "a\\", "\u00e9"])
def test_a_directory_name_keeps_its_text(text: str) -> None:
    name = build_name({"CN": text})
    extension = extensions.subject_alt_name([GeneralName.directory_name(name)])
    assert extension.value == tlv.seq(tlv.explicit(4, name.der))
    assert extensions.read_subject_alt_names((extension,))[0].value == str(name)


def test_a_directory_name_may_be_longer_than_one_that_is_built() -> None:
    """What stands in a certificate can be asked for again; see :func:`pyscep.names.build_name`."""
    name = Name(tlv.seq(tlv.rdn((tlv.CN, tlv.utf8("x" * 65)))))
    encoded = tlv.seq(tlv.explicit(4, name.der))
    (read_name,) = extensions.read_subject_alt_names((Extension(oid="2.5.29.17", value=encoded),))
    for again in (read_name, GeneralName.directory_name(name)):
        assert extensions.subject_alt_name([again]).value == encoded
    with pytest.raises(UsageError, match="at most"):
        GeneralName.directory_name({"CN": "x" * 65})


@pytest.mark.parametrize(
    "encoded",
    [
        tlv.implicit(7, b"\x01\x02\x03"),  # neither IPv4 nor IPv6
        tlv.implicit(8, b"\x2a\x03"),  # registeredID
        tlv.explicit(3, tlv.seq()),  # x400Address
        tlv.explicit(0, tlv.oid("1.2.3"), tlv.explicit(0, tlv.utf8("x"))),  # another otherName
    ],
)
def test_other_names_are_kept_in_hexadecimal(encoded: bytes) -> None:
    (name,) = extensions.read_subject_alt_names(
        (Extension(oid="2.5.29.17", value=tlv.seq(encoded)),)
    )
    assert name == GeneralName(GeneralNameKind.OTHER, encoded.hex())
    assert extensions.subject_alt_name([name]).value == tlv.seq(encoded)


@pytest.mark.parametrize(
    "text", ["", "sensor.example", "dns", "host:x", "other:8201", "http://a", ":x"]
)
def test_what_is_no_alternative_name(text: str) -> None:
    with pytest.raises(UsageError, match="not an alternative name; write dns:") as caught:
        extensions.parse_general_name(text)
    assert caught.value.argument == "subject_alt_names"


@pytest.mark.parametrize(
    ("names", "text", "argument"),
    [
        ([], "at least one name", "subject_alt_names"),
        ([GeneralName.dns("")], "kind dns is empty", "subject_alt_names"),
        ([extensions.parse_general_name("ip: ")], "kind ip is empty", "subject_alt_names"),
        ([GeneralName.directory_name("")], "kind dir is empty", "subject_alt_names"),
        ([GeneralName.ip("192.0.2.256")], "not an IP address", "subject_alt_names"),
        ([GeneralName.ip("fe80::1%eth0")], "not an IP address", "subject_alt_names"),
        ([GeneralName.ip("192.0.2.0/24")], "not an IP address", "subject_alt_names"),
        ([GeneralName.dns("b\u00fccher.example")], "A-label", "text"),
        ([GeneralName.email("\u00e4@b")], "A-label", "text"),
        ([GeneralName.uri("http://\u00e4")], "A-label", "text"),
        ([GeneralName.upn("\ud800")], "lone surrogate", "text"),
        ([GeneralName(GeneralNameKind.OTHER, "zz")], "not hexadecimal DER", "subject_alt_names"),
        ([GeneralName(GeneralNameKind.OTHER, " ")], "not hexadecimal DER", "subject_alt_names"),
        (
            [GeneralName(GeneralNameKind.OTHER, "0500ff")],
            "not hexadecimal DER",
            "subject_alt_names",
        ),
        ([GeneralName(GeneralNameKind.DIRECTORY_NAME, "a")], "not a distinguished name", "subject"),
    ],
)
def test_names_that_cannot_be_asked_for(names: list[GeneralName], text: str, argument: str) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        extensions.subject_alt_name(names)
    assert caught.value.argument == argument
    assert caught.value.__context__ is None


# ------------------------------------------------------------------------------ other extensions


@pytest.mark.conforms("V-03", "W-02")
@pytest.mark.parametrize(
    ("usages", "value"),
    [
        ((KeyUsage.DIGITAL_SIGNATURE,), "03020780"),
        ((KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_ENCIPHERMENT), "030205a0"),
        ((KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN), "03020106"),
        ((KeyUsage.DECIPHER_ONLY,), "0303070080"),
        (tuple(KeyUsage), "030307ff80"),
        ((), "030100"),
    ],
)
def test_key_usage(usages: tuple[KeyUsage, ...], value: str) -> None:
    extension = extensions.key_usage(usages)
    assert extension == Extension(oid="2.5.29.15", value=bytes.fromhex(value), critical=True)
    assert extensions.read_key_usage((extension,)) == frozenset(usages)


@pytest.mark.conforms("G-10")
def test_no_key_usage_is_no_restriction() -> None:
    assert extensions.read_key_usage(()) is None


def test_key_usage_ignores_bits_that_have_no_name() -> None:
    extension = Extension(oid="2.5.29.15", value=tlv.bits(b"\xff\xff"))
    assert extensions.read_key_usage((extension,)) == frozenset(KeyUsage)


def test_extended_key_usage() -> None:
    extension = extensions.extended_key_usage(
        (ExtendedKeyUsage.CLIENT_AUTH, "1.2.3"), critical=True
    )
    assert extension.value == tlv.seq(tlv.oid("1.3.6.1.5.5.7.3.2"), tlv.oid("1.2.3"))
    assert extension.critical
    assert extensions.read_extended_key_usage((extension,)) == ("1.3.6.1.5.5.7.3.2", "1.2.3")
    assert extensions.read_extended_key_usage(()) is None
    with pytest.raises(UsageError, match="'clientAuth' is not an object identifier"):
        extensions.extended_key_usage(("clientAuth",))


@pytest.mark.parametrize(
    ("ca", "path_length", "value"),
    [
        (True, None, tlv.seq(tlv.boolean())),
        (True, 0, tlv.seq(tlv.boolean(), tlv.integer(0))),
        (False, None, tlv.seq()),
    ],
)
def test_basic_constraints(ca: bool, path_length: int | None, value: bytes) -> None:
    extension = extensions.basic_constraints(ca=ca, path_length=path_length)
    assert extension == Extension(oid="2.5.29.19", value=value, critical=True)
    assert extensions.read_basic_constraints((extension,)) == (ca, path_length)
    assert extensions.read_basic_constraints(()) is None


def test_basic_constraints_that_spell_the_default_out() -> None:
    extension = Extension(oid="2.5.29.19", value=tlv.seq(tlv.boolean(0)))
    assert extensions.read_basic_constraints((extension,)) == (False, None)


def test_key_identifiers() -> None:
    own = extensions.subject_key_identifier(b"id")
    assert own == Extension(oid="2.5.29.14", value=tlv.octets(b"id"))
    assert extensions.read_subject_key_identifier((own,)) == b"id"
    assert extensions.read_subject_key_identifier(()) is None
    above = extensions.authority_key_identifier(b"id")
    assert above == Extension(oid="2.5.29.35", value=tlv.seq(tlv.implicit(0, b"id")))


@pytest.mark.conforms("V-03")
def test_microsoft_templates() -> None:
    first = extensions.microsoft_template_name("IPSec")
    assert first.oid == "1.3.6.1.4.1.311.20.2"
    assert first.value == tlv.tlv(0x1E, "IPSec".encode("utf-16-be"))
    second = extensions.microsoft_template("1.2.3", major_version=100, minor_version=2)
    assert second.oid == "1.3.6.1.4.1.311.21.7"
    assert second.value == tlv.seq(tlv.oid("1.2.3"), tlv.integer(100), tlv.integer(2))
    assert extensions.microsoft_template("1.2.3").value == tlv.seq(tlv.oid("1.2.3"))
    major = extensions.microsoft_template("1.2.3", major_version=0)
    assert major.value == tlv.seq(tlv.oid("1.2.3"), tlv.integer(0))
    with pytest.raises(UsageError, match="minor version needs") as caught:
        extensions.microsoft_template("1.2.3", minor_version=2)
    assert caught.value.argument == "minor_version"
    assert extensions.read_microsoft_template_name((second, first)) == "IPSec"
    assert extensions.read_microsoft_template((first, second)) == MicrosoftTemplate(
        oid="1.2.3", major_version=100, minor_version=2
    )
    assert extensions.read_microsoft_template((major,)) == MicrosoftTemplate(
        oid="1.2.3", major_version=0
    )
    assert extensions.read_microsoft_template_name(()) is None
    assert extensions.read_microsoft_template(()) is None


@pytest.mark.parametrize("name", ["", "\ud800"])
def test_template_names_that_are_none(name: str) -> None:
    with pytest.raises(UsageError, match="not the name of a certificate template") as caught:
        extensions.microsoft_template_name(name)
    assert caught.value.argument == "name"
    assert caught.value.__context__ is None


# ------------------------------------------------------------------------------------ all of them


def test_extensions() -> None:
    items = (
        Extension(oid="1.2.3", value=b"x"),
        Extension(oid="1.2.4", value=tlv.null(), critical=True),
    )
    encoded = extensions.encode_extensions(items)
    assert encoded == tlv.seq(
        tlv.extension("1.2.3", b"x"), tlv.extension("1.2.4", tlv.null(), critical=True)
    )
    assert read(encoded) == items
    assert extensions.find(items, "1.2.4") is items[1]
    assert extensions.find(items, "1.2.5") is None
    assert extensions.encode_extensions(()) == tlv.seq()
    assert read(tlv.seq()) == ()


def test_a_default_that_is_spelled_out() -> None:
    encoded = tlv.seq(tlv.seq(tlv.oid("1.2.3"), tlv.boolean(0), tlv.octets(b"")))
    assert read(encoded) == (Extension(oid="1.2.3", value=b""),)


def test_an_extension_occurs_once() -> None:
    twice = tlv.extension("1.2.3", b"")
    with pytest.raises(UsageError, match=r"1\.2\.3 is there twice") as usage:
        extensions.encode_extensions([Extension(oid="1.2.3", value=b"")] * 2)
    assert usage.value.argument == "extensions"
    with pytest.raises(DecodeError, match=r"1\.2\.3 is there twice") as decode:
        read(tlv.seq(twice, tlv.extension("1.2.4", b""), twice))
    assert decode.value.offset is not None


@pytest.mark.conforms("S-19")
def test_extensions_are_limited() -> None:
    encoded = tlv.seq(*(tlv.extension(f"1.2.{n}", b"") for n in range(4)))
    assert len(read(encoded, limits=Limits(extensions=4))) == 4
    with pytest.raises(LimitExceeded) as caught:
        read(encoded, limits=Limits(extensions=3))
    assert (caught.value.limit, caught.value.value) == ("extensions", 4)


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        tlv.null(),
        tlv.seq(tlv.null()),
        tlv.seq(tlv.seq()),
        tlv.seq(tlv.seq(tlv.oid("1.2.3"))),
        tlv.seq(tlv.seq(tlv.oid("1.2.3"), tlv.boolean())),
        tlv.seq(tlv.seq(tlv.oid("1.2.3"), b"\x01\x00", tlv.octets(b""))),
        tlv.seq(tlv.seq(tlv.oid("1.2.3"), tlv.octets(b""), tlv.null())),
    ],
)
def test_what_is_not_extensions(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        read(encoded)


@pytest.mark.parametrize(
    ("oid", "value"),
    [
        ("2.5.29.15", tlv.null()),
        ("2.5.29.15", tlv.bits(b"\xff") + b"\x00"),
        ("2.5.29.19", tlv.seq(tlv.null())),
        ("2.5.29.19", tlv.seq(tlv.integer(1), tlv.boolean())),
        ("2.5.29.37", tlv.seq(tlv.null())),
        ("2.5.29.37", tlv.oid("1.2.3")),
        ("2.5.29.14", b"raw"),
        ("1.3.6.1.4.1.311.20.2", tlv.octets(b"IPSec")),
        ("1.3.6.1.4.1.311.21.7", tlv.seq()),
        ("1.3.6.1.4.1.311.21.7", tlv.seq(tlv.oid("1.2.3"), tlv.null())),
        ("1.3.6.1.4.1.311.21.7", tlv.seq(tlv.oid("1.2.3"), *[tlv.integer(1)] * 3)),
        ("2.5.29.17", tlv.implicit(2, b"a")),
        ("2.5.29.17", tlv.seq(b"\x82")),
        ("2.5.29.17", tlv.seq(tlv.explicit(4))),
        ("2.5.29.17", tlv.seq(tlv.explicit(4, tlv.null()))),
        ("2.5.29.17", tlv.seq(tlv.explicit(0, tlv.null()))),
        ("2.5.29.17", tlv.seq(tlv.explicit(0, tlv.oid(UPN_OID), tlv.utf8("x")))),
        ("2.5.29.17", tlv.seq(tlv.explicit(0, tlv.oid(UPN_OID), tlv.explicit(0, tlv.null())))),
    ],
)
def test_malformed_extensions(oid: str, value: bytes) -> None:
    items = (Extension(oid=oid, value=value),)
    with pytest.raises(DecodeError):  # noqa: PT012  # the one that fits
        extensions.read_key_usage(items)
        extensions.read_basic_constraints(items)
        extensions.read_extended_key_usage(items)
        extensions.read_subject_key_identifier(items)
        extensions.read_subject_alt_names(items)
        extensions.read_microsoft_template_name(items)
        extensions.read_microsoft_template(items)
