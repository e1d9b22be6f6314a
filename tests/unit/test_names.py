"""pyscep.names: the text given is the text in the encoding, both ways through RFC 4514."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from asn1crypto import x509

from pyscep.errors import DecodeError, LimitExceeded, UsageError
from pyscep.limits import Limits
from pyscep.names import Name, NameLike, build_name, name_from_text, parse_name
from tests.helpers import tlv

CN, O = tlv.CN, tlv.O  # noqa: E741  # as everybody writes it


def name_of(*pairs: tuple[str, bytes]) -> Name:
    """Return a name with one attribute per RDN."""
    return Name(tlv.seq(*map(tlv.rdn, pairs)))


# --------------------------------------------------------------------------------------- mappings

UTF8, PRINTABLE, IA5 = 0x0C, 0x13, 0x16
TABLE = [
    ("common_name", "CN", "2.5.4.3", UTF8),
    ("surname", "SN", "2.5.4.4", UTF8),
    ("serial_number", "serialNumber", "2.5.4.5", PRINTABLE),
    ("country_name", "C", "2.5.4.6", PRINTABLE),
    ("locality_name", "L", "2.5.4.7", UTF8),
    ("state_or_province_name", "ST", "2.5.4.8", UTF8),
    ("street_address", "street", "2.5.4.9", UTF8),
    ("organization_name", "O", "2.5.4.10", UTF8),
    ("organizational_unit_name", "OU", "2.5.4.11", UTF8),
    ("title", "title", "2.5.4.12", UTF8),
    ("given_name", "givenName", "2.5.4.42", UTF8),
    ("dn_qualifier", "dnQualifier", "2.5.4.46", PRINTABLE),
    ("user_id", "UID", "0.9.2342.19200300.100.1.1", UTF8),
    ("domain_component", "DC", "0.9.2342.19200300.100.1.25", IA5),
    ("email_address", "emailAddress", "1.2.840.113549.1.9.1", IA5),
    ("unstructured_name", "unstructuredName", "1.2.840.113549.1.9.2", UTF8),
    ("unstructured_address", "unstructuredAddress", "1.2.840.113549.1.9.8", PRINTABLE),
]


@pytest.mark.conforms("R-18", "V-15")
@pytest.mark.parametrize(("field", "short", "oid", "tag"), TABLE)
def test_every_attribute_of_the_table(field: str, short: str, oid: str, tag: int) -> None:
    expected = tlv.seq(tlv.rdn((oid, tlv.tlv(tag, b"US"))))
    for key in (field, short, oid, short.upper(), f"OID.{oid}", f" {field} "):
        assert build_name({key: "US"}).der == expected
        assert build_name(f"{key}=US").der == expected
    name = Name(expected)
    assert str(name) == f"{short}=US"
    assert (name.get(field), name.get(short), name.get(oid)) == ("US", "US", "US")


@pytest.mark.parametrize(
    ("alias", "oid"),
    [
        ("serialnumber", "2.5.4.5"),
        ("E", "1.2.840.113549.1.9.1"),
        ("email", "1.2.840.113549.1.9.1"),
        ("S", "2.5.4.8"),
        ("userid", "0.9.2342.19200300.100.1.1"),
    ],
)
def test_aliases(alias: str, oid: str) -> None:
    assert build_name({alias: "x"}).rdns() == (((oid, "x"),),)


def test_attributes_outside_the_table_are_named_by_their_oid() -> None:
    name = build_name({"2.5.4.97": "VAT-17"})
    assert name.der == tlv.seq(tlv.rdn(("2.5.4.97", tlv.utf8("VAT-17"))))
    assert str(name) == "2.5.4.97=VAT-17"
    assert build_name(str(name)).der == name.der


@pytest.mark.parametrize(
    ("value", "kind"), [(17, "int"), (None, "NoneType"), (b"a", "bytes"), (["a", 17], "int")]
)
def test_values_that_are_no_text(value: Any, kind: str) -> None:
    """What a settings file in YAML makes of a serial number."""
    with pytest.raises(UsageError, match=f"CN cannot be of type {kind}") as caught:
        build_name({"CN": value})
    assert caught.value.argument == "subject"


def test_a_mapping_keeps_its_order_and_several_values() -> None:
    name = build_name({"C": "US", "OU": ["first", "second"], "CN": "sensor-17"})
    expected = name_of(
        ("2.5.4.6", tlv.printable("US")),
        ("2.5.4.11", tlv.utf8("first")),
        ("2.5.4.11", tlv.utf8("second")),
        (CN, tlv.utf8("sensor-17")),
    )
    assert name.der == expected.der
    assert str(name) == "CN=sensor-17,OU=second,OU=first,C=US"
    assert name.get("OU") == "first"
    assert name.get("locality_name") is None


@pytest.mark.parametrize("subject", [{}, "", "  ", {"OU": []}, {"OU": ()}])
def test_empty_names(subject: NameLike) -> None:
    name = build_name(subject)
    assert name.der == b"\x30\x00"
    assert name.is_empty
    assert str(name) == ""
    assert not build_name("CN=a").is_empty


TEXTS = [
    "sensor-17",
    "Sensor 17 / Hall B",
    "a_b@c*d&e;f",
    'comma, plus + "quotes" \\ <angles> ;',
    "#17",
    "#0401ff",
    "#",
    "# x",
    " leading",
    "trailing ",
    " ",
    "  ",
    "a  b",
    "back\\slash\\",
    "back\\slash\\ ",
    "back\\\\ ",
    "equals=sign",
    "nul\0in it",
    "line\nbreak\ttab\r",
    "B\u00fccher \u2013 \u65e5\u672c \U0001f511",
    "e\u0301",
    "\u00e9",
    "x" * 64,
    "\U0001f511" * 64,
]


@pytest.mark.conforms("R-18")
@pytest.mark.parametrize("text", TEXTS)
def test_exactly_the_text_given(text: str) -> None:
    name = build_name({"O": "Ex, ample", "CN": text})
    assert name.rdns() == (((O, "Ex, ample"),), ((CN, text),))
    assert name.get("CN") == text
    assert name.der == name_of((O, tlv.utf8("Ex, ample")), (CN, tlv.utf8(text))).der
    # And through the text form, without change.
    assert build_name(str(name)).der == name.der
    assert build_name(name) is name
    assert parse_name(name.der).der == name.der


BOUNDS = {
    "common_name": 64,
    "surname": 32768,
    "serial_number": 64,
    "locality_name": 128,
    "state_or_province_name": 128,
    "organization_name": 64,
    "organizational_unit_name": 64,
    "title": 64,
    "given_name": 32768,
    "email_address": 255,
}
"""RFC 5280 appendix A.1; counted in characters."""


@pytest.mark.parametrize(("field", "short", "oid", "tag"), [r for r in TABLE if r[0] in BOUNDS])
def test_values_have_upper_bounds(field: str, short: str, oid: str, tag: int) -> None:
    most = BOUNDS[field]
    letter = "\u00e9" if tag == UTF8 else "x"
    values = (letter * most, "x" * most)
    as_built = [(oid, tlv.tlv(tag, value.encode())) for value in values]
    expected = name_of(("2.5.4.6", tlv.printable("US")), *as_built).der
    assert build_name({"C": "US", field: values}).der == expected
    assert build_name(f"{short}={values[1]},{oid}={values[0]},C=US").der == expected
    long = letter * (most + 1)
    ready = name_of((oid, tlv.tlv(tag, long.encode())))
    for subject in (
        {"C": "US", field: ["x" * most, long]},
        {oid: long},
        f"{short}={long}",
        f"C=US+{short}={long},O=b",
        # Hexadecimal is only another spelling.
        f"{oid}=#{tlv.tlv(tag, long.encode()).hex()}",
    ):
        with pytest.raises(UsageError) as caught:
            build_name(subject)
        assert caught.value.argument == "subject"
        assert str(caught.value) == (
            f"The attribute {short} has {most + 1} characters, but may have {most} at most "
            "(RFC 5280 appendix A.1); shorten it."
        )
    # Who knows a CA that takes it gives the DER; and what comes from elsewhere is read.
    assert build_name(parse_name(ready.der, limits=Limits(name_size=100_000))).der == ready.der
    assert name_from_text(str(ready)).der == ready.der
    if len(ready.der) <= Limits().name_size:
        assert build_name(x509.Name.load(ready.der)).der == ready.der


UNBOUND = {row[0] for row in TABLE} - BOUNDS.keys() - {"country_name"}


@pytest.mark.parametrize("field", sorted(UNBOUND))
def test_other_values_have_none(field: str) -> None:
    assert build_name({field: "x" * 4_000}).get(field) == "x" * 4_000


def test_an_unknown_attribute_is_told_in_the_names_of_the_same_form() -> None:
    with pytest.raises(UsageError, match=r"^'XY' .* use one of common_name, surname, .*OID\.$"):
        build_name({"XY": "a"})
    with pytest.raises(UsageError, match=r"^'XY' .* use one of CN, SN, .* C, L, ST, .*OID\.$"):
        build_name("CN=a,XY=b")


# --------------------------------------------------------------------------------------- RFC 4514


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CN=a", (((CN, "a"),),)),
        ("cn=a", (((CN, "a"),),)),
        ("CN=a,O=b", (((O, "b"),), ((CN, "a"),))),
        ("CN = a , O = b", (((O, "b"),), ((CN, "a"),))),
        ("2.5.4.3=a", (((CN, "a"),),)),
        ("CN=a+O=b", (((CN, "a"), (O, "b")),)),
        ("O=b+CN=a", (((CN, "a"), (O, "b")),)),  # a SET: sorted
        (r"CN=a\,b\+c\"d\\e\<f\>g\;h", (((CN, 'a,b+c"d\\e<f>g;h'),),)),
        (r"CN=\2C\2b", (((CN, ",+"),),)),
        (r"CN=\C3\A9", (((CN, "\u00e9"),),)),
        ("CN=\u00e9", (((CN, "\u00e9"),),)),
        (r"CN=\ a\ ", (((CN, " a "),),)),
        (r"CN=\20a\20", (((CN, " a "),),)),
        (r"CN=\#17", (((CN, "#17"),),)),
        (r"CN=a\=b=c", (((CN, "a=b=c"),),)),
        (r"CN=nul\00", (((CN, "nul\0"),),)),
        # the space behind an escaped backslash is not escaped
        ("CN=a\\\\ ", (((CN, "a\\"),),)),
        ("CN=a\\\\  ,O=b", (((O, "b"),), ((CN, "a\\"),))),
        ("CN=a\\\\\\ ", (((CN, "a\\ "),),)),
        # values in hexadecimal DER, text or not
        ("CN=#0c0161", (((CN, "a"),),)),
        ("CN=#1301617", None),
        ("CN=#0403616263", (((CN, "#0403616263"),),)),
        ("CN=#30030201FF", (((CN, "#30030201ff"),),)),
        ("CN=#2c030c0161", (((CN, "#2c030c0161"),),)),  # BER is not resolved here
        # examples of RFC 4514 section 4
        (
            "UID=jsmith,DC=example,DC=net",
            (
                (("0.9.2342.19200300.100.1.25", "net"),),
                (("0.9.2342.19200300.100.1.25", "example"),),
                (("0.9.2342.19200300.100.1.1", "jsmith"),),
            ),
        ),
        (
            "1.3.6.1.4.1.1466.0=#04024869",
            ((("1.3.6.1.4.1.1466.0", "#04024869"),),),
        ),
        (r"CN=Lu\C4\8Di\C4\87", (((CN, "Lu\u010di\u0107"),),)),
        (r"CN=Before\0dAfter", (((CN, "Before\rAfter"),),)),
    ],
)
def test_rfc4514(text: str, expected: tuple[tuple[tuple[str, str], ...], ...] | None) -> None:
    if expected is None:
        with pytest.raises(UsageError, match="RFC 4514"):
            build_name(text)
        return
    name = build_name(text)
    assert name.rdns() == expected
    assert build_name(str(name)).der == name.der


@pytest.mark.parametrize(
    ("rdns", "expected"),
    [
        ((((CN, tlv.utf8("a,b")),),), r"CN=a\,b"),
        ((((CN, tlv.utf8("#a")),),), r"CN=\#a"),
        ((((CN, tlv.utf8("#0401ff")),),), r"CN=\#0401ff"),
        ((((CN, tlv.octets(b"\xff")),),), "CN=#0401ff"),
        ((((CN, tlv.utf8(" a ")),),), r"CN=\ a\ "),
        ((((CN, tlv.utf8(" ")),),), r"CN=\ "),
        ((((CN, tlv.utf8("\0")),),), r"CN=\00"),
        ((((CN, tlv.utf8("a\nb\x1b[2J")),),), r"CN=a\0ab\1b[2J"),
        ((((CN, tlv.utf8("\u202ea\u2028")),),), r"CN=\e2\80\aea\e2\80\a8"),
        ((((CN, tlv.utf8("Zo\u00eb \u65e5\u672c")),),), "CN=Zo\u00eb \u65e5\u672c"),
        ((((CN, tlv.utf8("")),),), "CN="),
        ((((CN, tlv.utf8("a")), (O, tlv.utf8("b"))), ((O, tlv.utf8("c")),)), "O=c,CN=a+O=b"),
    ],
)
def test_the_text_form(rdns: tuple[tuple[tuple[str, bytes], ...], ...], expected: str) -> None:
    name = Name(tlv.seq(*(tlv.rdn(*pairs) for pairs in rdns)))
    assert str(name) == expected
    assert repr(name) == f"Name({expected!r})"


@pytest.mark.parametrize(
    "text",
    [
        "sensor-17",
        "CN",
        "CN=a,",
        ",CN=a",
        "CN=a,,O=b",
        "CN=a+",
        "CN=a;O=b",
        'CN="a"',
        "CN=a<b",
        "CN=a>b",
        "CN=a\0b",
        "CN=a\\",
        "CN=a\\x",
        "CN=a\\4",
        "CN=a\\\n",
        r"CN=\C3",
        r"CN=\FF\FE",
        "CN=\ud800",
        "CN=#",
        "CN=#0",
        "CN=#zz",
        "CN=#0c",
        "CN=#0c01ff",
        "CN=#0c016100",
    ],
)
def test_what_is_not_rfc4514(text: str) -> None:
    with pytest.raises(UsageError, match="not a distinguished name as in RFC 4514") as caught:
        build_name(text)
    assert caught.value.argument == "subject"
    assert caught.value.__context__ is None


# ----------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("key", ["commonname", "X", "", "1", "9.2.3", "oid."])
def test_unknown_attributes(key: str) -> None:
    for use in (lambda: build_name({key: "a"}), lambda: build_name("CN=a").get(key)):
        with pytest.raises(UsageError, match="use one of common_name, surname") as caught:
            use()
        assert caught.value.argument == "subject"


@pytest.mark.parametrize("key", ["1.", "1.2.x", "0.99"])
def test_attributes_that_look_like_an_oid(key: str) -> None:
    with pytest.raises(UsageError, match="not an object identifier"):
        build_name({key: "a"})


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ({"CN": ""}, "attribute CN is empty"),
        ("CN=", "attribute CN is empty"),
        ("O=a,OU=", "attribute OU is empty"),
        ({"1.2.3": ""}, "attribute 1.2.3 is empty"),
        ({"C": "USA"}, "country 'USA'"),
        ({"C": "D"}, "country 'D'"),
        ({"C": "\u00e4\u00e4"}, "attribute C cannot hold '\u00e4\u00e4'"),
        ({"serial_number": "a_b"}, "attribute serialNumber cannot hold 'a_b'"),
        ({"dn_qualifier": "a*b"}, "attribute dnQualifier cannot hold"),
        ({"email_address": "\u00e4@example"}, "attribute emailAddress cannot hold"),
        ({"domain_component": "b\u00fccher"}, "attribute DC cannot hold"),
        ({"CN": "\ud800"}, "attribute CN cannot hold"),
        ({"2.5.4.97": "\ud800"}, "attribute 2.5.4.97 cannot hold"),
    ],
)
def test_texts_that_an_attribute_cannot_hold(subject: NameLike, text: str) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        build_name(subject)
    assert caught.value.argument == "subject"
    assert caught.value.__context__ is None


def test_what_is_no_subject() -> None:
    class Dumped:
        dump = b"not callable"

    for wrong in (17, None, b"0", object(), Dumped()):
        with pytest.raises(UsageError, match=f"type {type(wrong).__name__} is not") as caught:
            build_name(wrong)  # type: ignore[arg-type]  # the point
        assert caught.value.argument == "subject"


# ------------------------------------------------------------------------------------- asn1crypto


def test_a_name_of_asn1crypto_is_taken_as_it_is() -> None:
    theirs = x509.Name.build({"country_name": "US", "common_name": "a"}, use_printable=True)
    name = build_name(theirs)
    assert name.der == theirs.dump()
    assert str(name) == "CN=a,C=US"


def test_what_dumps_itself_as_something_else() -> None:
    class Wrong:
        def dump(self) -> bytes:
            return tlv.null()

    with pytest.raises(DecodeError):
        build_name(Wrong())


# ---------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"", "ends where"),
        (tlv.null(), "a SEQUENCE"),
        (tlv.seq() + b"\x00", "bytes follow"),
        (tlv.seq(tlv.seq()), "a SET"),
        (tlv.seq(tlv.unsorted_set(tlv.null())), "a SEQUENCE"),
        (tlv.seq(tlv.unsorted_set(tlv.seq())), "ends where"),
        (tlv.seq(tlv.unsorted_set(tlv.seq(tlv.oid(CN)))), "ends where"),
        (tlv.seq(tlv.rdn((CN, tlv.utf8("a") + tlv.null()))), "bytes follow"),
        (tlv.seq(tlv.rdn((CN, b"\x0c\x01\xff"))), "outside its alphabet"),
    ],
)
def test_what_is_no_name(octets: bytes, text: str) -> None:
    with pytest.raises(DecodeError, match=text):
        parse_name(octets)
    # An error text about a certificate must not fail because of the certificate.
    assert str(Name(octets)) == f"#{octets.hex()}"
    assert repr(Name(octets)) == f"Name('#{octets.hex()}')"


def test_a_long_name_that_is_none_is_cut_in_error_texts() -> None:
    assert str(Name(b"\x30" * 65)) == f"#{'30' * 64}..."


@pytest.mark.conforms("S-19")
def test_attributes_are_limited() -> None:
    octets = tlv.name("a", *["b"] * 7)
    limits = Limits(name_attributes=7)
    with pytest.raises(LimitExceeded, match="8 attributes") as caught:
        parse_name(octets, limits=limits)
    assert (caught.value.limit, caught.value.value) == ("name_attributes", 8)
    with pytest.raises(LimitExceeded):
        parse_name(tlv.seq(tlv.rdn(*[(CN, tlv.utf8("a"))] * 8)), limits=limits)
    assert parse_name(tlv.name("a", *["b"] * 6), limits=limits).get("O") == "b"
    assert parse_name(octets).rdns()


@pytest.mark.conforms("S-19")
def test_bytes_are_limited() -> None:
    """A long run of accents takes the square of its length to compare."""
    octets = tlv.name("a" + "\u0315\u0300" * 1100)
    with pytest.raises(LimitExceeded) as caught:
        parse_name(octets)
    assert (caught.value.limit, caught.value.value) == ("name_size", len(octets))
    assert parse_name(octets, limits=Limits(name_size=len(octets))) == Name(octets)


def test_an_empty_rdn_is_read() -> None:
    assert parse_name(tlv.seq(tlv.unsorted_set())).rdns() == ((),)


# ------------------------------------------------------------------------------------- comparison


def cn(value: bytes) -> Name:
    return name_of((CN, value))


@pytest.mark.conforms("G-24")
@pytest.mark.parametrize(
    "other",
    [
        tlv.utf8("Example CA"),
        tlv.printable("Example CA"),
        tlv.printable("EXAMPLE ca"),
        tlv.utf8(" Example   CA "),
        tlv.utf8("Example\u00a0CA"),
        tlv.tlv(0x1E, "example CA".encode("utf-16-be")),
        tlv.tlv(0x14, b"example CA"),
        tlv.utf8("E\uff58ample CA"),  # a full-width x
    ],
)
def test_case_space_and_string_type_do_not_matter(other: bytes) -> None:
    name = cn(tlv.utf8("Example CA"))
    assert name == cn(other)
    assert hash(name) == hash(cn(other))


@pytest.mark.conforms("G-24")
def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert cn(tlv.utf8("\u00e9")) == cn(tlv.utf8("E\u0301"))
    assert cn(tlv.utf8("stra\u00dfe")) == cn(tlv.utf8("STRASSE"))


@pytest.mark.conforms("G-24")
@pytest.mark.parametrize(
    "other",
    [
        name_of((CN, tlv.utf8("ExampleCA"))),
        name_of((O, tlv.utf8("Example CA"))),
        name_of((CN, tlv.utf8("Example CA")), (O, tlv.utf8("x"))),
        Name(tlv.seq()),
        Name(tlv.seq(tlv.unsorted_set())),
        "CN=Example CA",
    ],
)
def test_what_matters(other: object) -> None:
    assert cn(tlv.utf8("Example CA")) != other


@pytest.mark.conforms("G-24")
def test_the_order_of_rdns_matters_and_that_within_one_does_not() -> None:
    a, b = (CN, tlv.utf8("a")), (O, tlv.utf8("b"))
    assert name_of(a, b) != name_of(b, a)
    assert Name(tlv.seq(tlv.rdn(a, b))) == Name(tlv.seq(tlv.rdn(b, a)))
    assert Name(tlv.seq(tlv.rdn(a, b))) != name_of(a, b)


@pytest.mark.conforms("G-24")
def test_a_text_is_not_what_it_looks_like_in_hexadecimal() -> None:
    assert cn(tlv.utf8("#0401ff")) != cn(tlv.octets(b"\xff"))
    assert cn(tlv.octets(b"A")) != cn(tlv.octets(b"a"))
    assert cn(tlv.octets(b"a")) == cn(tlv.octets(b"a"))


def test_a_name_is_a_value() -> None:
    name = build_name("CN=a")
    assert pickle.loads(pickle.dumps(name)) == name  # noqa: S301  # our own
    with pytest.raises(AttributeError):
        name.der = b""  # type: ignore[misc]  # the point


@pytest.mark.conforms("G-24")
def test_an_attribute_that_is_there_twice_counts_twice() -> None:
    """Names match if they have the same number of attributes (RFC 5280 section 7.1)."""
    one = tlv.rdn((CN, tlv.utf8("a")))
    twice = tlv.rdn((CN, tlv.utf8("a")), (CN, tlv.utf8("B")))
    thrice = tlv.rdn((CN, tlv.utf8("b")), (CN, tlv.utf8("a")), (CN, tlv.utf8("A")))
    names = [Name(tlv.seq(each)) for each in (one, twice, thrice)]
    assert len(set(names)) == 3
    assert Name(tlv.seq(tlv.rdn((CN, tlv.utf8("b")), (CN, tlv.utf8("A"))))) == names[1]
