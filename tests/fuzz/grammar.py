"""Trees in the shape of CMS, PKCS #10 and X.509, with something wrong here and there.

Each strategy follows an ASN.1 definition, and its SEQUENCEs now and then lose, repeat, exchange or
replace a field. The functions at the end are hypothesis tests, run by ``test_grammar.py``, and
through ``fuzz_one_input`` harnesses for the long run.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from pyscep.algorithms import DigestAlgorithm
from pyscep.cms_signed import sign_data
from tests.fuzz import glass
from tests.fuzz.harnesses import HARNESSES, PASSWORD
from tests.helpers import tlv as t
from tests.helpers.message_factory import ATTRIBUTES, CIPHERS, DIGESTS, RSA_SIGNATURES
from tests.helpers.password_recipient import HMACS, PBKDF2, PWRI_KEK, PasswordRecipientInfo

Octets = st.SearchStrategy[bytes]
NOTHING = st.just(b"")

# ---------------------------------------------------------------------------------------- leaves

TAGS = st.sampled_from([1, 2, 3, 4, 5, 6, 12, 19, 22, 23, 24, 28, 30, 0x30, 0x31, 0x80, 0x82, 0xA0])
SMALL = st.binary(max_size=12)
ANY: Octets = st.recursive(
    st.builds(t.tlv, TAGS, SMALL),
    lambda inner: st.builds(
        lambda tag, pieces: t.tlv(tag, *pieces),
        st.sampled_from([0x30, 0x31, 0x24, 0xA0, 0xA1, 0xA2, 0xA3]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=8,
)
INTEGERS = st.one_of(
    st.integers(-3, 300),
    st.integers(2**60, 2**70),
    st.sampled_from([2**2048 - 1, -(2**160), 2**31]),
).map(t.integer)
STRINGS = st.one_of(
    st.text(max_size=8).map(lambda text: t.tlv(12, text.encode("utf-8", "surrogatepass"))),
    st.builds(t.tlv, st.sampled_from([12, 19, 20, 22, 28, 30]), SMALL),
)


def mostly(*right: bytes, wrong: Octets) -> Octets:
    """Return one of *right*, and one time in eight something else."""
    return st.integers(0, 7).flatmap(lambda n: wrong if n == 7 else st.sampled_from(right))


TIMES = mostly(
    t.utc_time("250101000000Z"),
    t.generalized_time("20350101000000Z"),
    wrong=st.one_of(
        st.from_regex(r"[0-9]{10,12}Z", fullmatch=True).map(t.utc_time),
        st.from_regex(r"[0-9]{12,14}Z", fullmatch=True).map(t.generalized_time),
    ),
)
OIDS = st.one_of(
    st.sampled_from(
        [
            t.CN,
            t.O,
            t.DATA,
            t.SIGNED_DATA,
            t.ENVELOPED_DATA,
            t.RSA_ENCRYPTION,
            t.RSAES_OAEP,
            t.RSASSA_PSS,
            t.MGF1,
            t.ECDSA_WITH_SHA256,
            *ATTRIBUTES.values(),
            *DIGESTS.values(),
            *CIPHERS.values(),
            *RSA_SIGNATURES.values(),
        ]
    ).map(t.oid),
    SMALL.map(lambda raw: t.tlv(6, raw)),
)


@st.composite
def sequence(draw: st.DrawFn, *fields: Octets, tag: int = 0x30) -> bytes:
    """Return a SEQUENCE of *fields*; one in 16 has something wrong with one of them."""
    pieces = [draw(field) for field in fields]
    if pieces and draw(st.integers(0, 15)) == 15:
        at = draw(st.integers(0, len(pieces) - 1))
        other = draw(st.integers(0, len(pieces) - 1))
        match draw(st.sampled_from(["lose", "repeat", "exchange", "replace", "add", "retag"])):
            case "lose":
                pieces[at] = b""
            case "repeat":
                pieces[at] *= 2
            case "exchange":
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case "replace":
                pieces[at] = draw(ANY)
            case "add":
                pieces.insert(at, draw(ANY))
            case _:
                pieces[at] = bytes((draw(TAGS),)) + pieces[at][1:]
    return t.tlv(tag, *pieces)


def many(item: Octets, *, tag: int = 0x30, most: int = 3) -> Octets:
    """Return SEQUENCE OF or SET OF."""
    return st.lists(item, max_size=most).map(lambda pieces: t.tlv(tag, *pieces))


def optional(field: Octets) -> Octets:
    """Return the field or nothing."""
    return st.one_of(field, NOTHING)


def tagged(number: int, field: Octets) -> Octets:
    """Return it under an explicit tag."""
    return field.map(lambda piece: t.explicit(number, piece))


def wrapped(field: Octets) -> Octets:
    """Return it in an OCTET STRING."""
    return field.map(t.octets)


# ------------------------------------------------------------------------------------------ X.509

NULL = st.just(t.null())
ALGORITHM = sequence(OIDS, st.one_of(NULL, NOTHING, wrapped(st.just(bytes(16))), ANY))
SHA256_RSA = mostly(t.algorithm(t.SHA256_WITH_RSA, t.null()), wrong=ALGORITHM)
NAME = st.one_of(
    many(many(sequence(OIDS, STRINGS), tag=0x31)),
    st.sampled_from(["ca", "client-old", "next-ca"]).map(
        lambda name: glass.identity(name).certificate.subject.der
    ),
)
RSA_KEY = sequence(INTEGERS, INTEGERS).map(t.bits)
PUBLIC_KEY = st.one_of(
    st.sampled_from(["ca", "client-old"]).map(lambda name: glass.key(name).public_key),
    sequence(sequence(st.just(t.oid(t.RSA_ENCRYPTION)), NULL), RSA_KEY),
    sequence(
        sequence(st.just(t.oid("1.2.840.10045.2.1")), OIDS), st.binary(max_size=70).map(t.bits)
    ),
)
GENERAL_NAME = st.one_of(
    st.builds(t.implicit, st.integers(0, 8), SMALL),
    tagged(4, NAME),
    sequence(OIDS, tagged(0, STRINGS), tag=0xA0),
)
EXTENSION_VALUES = st.one_of(
    many(GENERAL_NAME),
    sequence(optional(st.just(t.boolean())), optional(INTEGERS)),
    st.binary(max_size=3).map(t.bits),
    SMALL.map(t.octets),
    many(OIDS),
    sequence(OIDS, optional(INTEGERS), optional(INTEGERS)),
    ANY,
)
EXTENSION_OIDS = st.sampled_from(
    [
        "2.5.29.14",
        "2.5.29.15",
        "2.5.29.17",
        "2.5.29.19",
        "2.5.29.35",
        "2.5.29.37",
        "2.5.29.20",
        "1.3.6.1.4.1.311.20.2",
        "1.3.6.1.4.1.311.21.7",
    ]
).map(t.oid)
EXTENSION = sequence(EXTENSION_OIDS, optional(st.just(t.boolean())), wrapped(EXTENSION_VALUES))
EXTENSIONS = many(EXTENSION)
TBS_CERTIFICATE = sequence(
    optional(tagged(0, INTEGERS)),
    INTEGERS,
    SHA256_RSA,
    NAME,
    sequence(TIMES, TIMES),
    NAME,
    PUBLIC_KEY,
    optional(tagged(3, EXTENSIONS)),
)
SIGNATURE = st.binary(max_size=16).map(t.bits)
CERTIFICATE = st.one_of(
    sequence(TBS_CERTIFICATE, SHA256_RSA, SIGNATURE),
    st.sampled_from(["ca", "client-old"]).map(lambda n: glass.identity(n).certificate.der),
)
CRL = sequence(
    sequence(
        optional(INTEGERS),
        SHA256_RSA,
        NAME,
        TIMES,
        optional(TIMES),
        optional(many(sequence(INTEGERS, TIMES, optional(EXTENSIONS)))),
        optional(tagged(0, EXTENSIONS)),
    ),
    SHA256_RSA,
    SIGNATURE,
)
REQUEST_ATTRIBUTE = st.one_of(
    sequence(st.just(t.oid("1.2.840.113549.1.9.7")), many(STRINGS, tag=0x31, most=2)),
    sequence(st.just(t.oid("1.2.840.113549.1.9.14")), many(EXTENSIONS, tag=0x31, most=2)),
    sequence(OIDS, many(ANY, tag=0x31)),
)
CSR = sequence(
    sequence(st.just(t.integer(0)), NAME, PUBLIC_KEY, optional(many(REQUEST_ATTRIBUTE, tag=0xA0))),
    SHA256_RSA,
    SIGNATURE,
)

# -------------------------------------------------------------------------------------------- CMS


def content_info(content_type: str, content: Octets) -> Octets:
    """Return a ContentInfo."""
    return sequence(st.just(t.oid(content_type)), tagged(0, content))


BAG = content_info(
    t.SIGNED_DATA,
    sequence(
        INTEGERS,
        many(ALGORITHM, tag=0x31, most=1),
        sequence(st.just(t.oid(t.DATA)), optional(tagged(0, wrapped(SMALL)))),
        optional(many(CERTIFICATE, tag=0xA0)),
        optional(many(CRL, tag=0xA1, most=2)),
        many(ANY, tag=0x31, most=1),
    ),
)
IDENTIFIER = st.one_of(
    st.sampled_from(["ca", "client-old", "ec-ca", "ec-client-old"]).map(
        lambda n: glass.identity(n).certificate.issuer_and_serial_number
    ),
    sequence(NAME, INTEGERS),
    SMALL.map(lambda raw: t.implicit(0, raw)),
)
CIPHER = st.one_of(
    st.sampled_from(sorted(CIPHERS.values())).map(
        lambda dotted: t.algorithm(dotted, t.octets(bytes(16)))
    ),
    ALGORITHM,
)
# Below and above every limit there is.
ITERATIONS = st.one_of(
    st.integers(-1, 5_000),
    st.sampled_from([2_048, 2_049, 10_000, 100_000, 100_001, 10**9, 2**31, 2**64, 2**2048]),
).map(t.integer)
PRF = st.one_of(
    st.sampled_from(sorted(HMACS.values())).map(lambda dotted: t.algorithm(dotted, t.null())),
    ALGORITHM,
)
DERIVATION = sequence(
    mostly(t.oid(PBKDF2), wrong=OIDS),
    sequence(wrapped(SMALL), ITERATIONS, optional(INTEGERS), optional(PRF)),
    tag=0xA0,
)
RIGHT_KEY = PasswordRecipientInfo(password=PASSWORD.encode(), salt=b"", iterations=1)
WRAPPED_KEY = st.one_of(
    # What glass unwraps, and what cryptography does.
    st.just(b"\x10\xff\xfe\xfd" + bytes(range(16)) + bytes(12)),
    st.just(RIGHT_KEY.wrap()),
    st.binary(max_size=70),
)
PASSWORD_RECIPIENT = st.one_of(
    sequence(
        INTEGERS,
        st.integers(0, 7).flatmap(lambda n: NOTHING if n == 7 else DERIVATION),
        sequence(mostly(t.oid(PWRI_KEK), wrong=OIDS), CIPHER),
        wrapped(WRAPPED_KEY),
        tag=0xA3,
    ),
    st.just(RIGHT_KEY.encode()),
)
RECIPIENT = st.one_of(
    PASSWORD_RECIPIENT,
    sequence(
        INTEGERS,
        IDENTIFIER,
        mostly(t.algorithm(t.RSA_ENCRYPTION, t.null()), wrong=ALGORITHM),
        wrapped(st.sampled_from([bytes(16), bytes(24), b""])),
    ),
    st.builds(t.explicit, st.integers(0, 5), ANY),
)


def envelope(content: Octets) -> Octets:
    """Return an EnvelopedData; with glass keys its content is in the clear."""
    return content_info(
        t.ENVELOPED_DATA,
        sequence(
            INTEGERS,
            many(RECIPIENT, tag=0x31, most=2),
            sequence(
                st.just(t.oid(t.DATA)),
                CIPHER,
                st.one_of(
                    content.map(lambda raw: t.implicit(0, raw)),
                    content.map(lambda raw: t.explicit(0, t.octets(raw[:9]), t.octets(raw[9:]))),
                ),
            ),
        ),
    )


ENCLOSED = st.one_of(
    CERTIFICATE,
    st.sampled_from(["ec-ca", "ec-client-old"]).map(lambda n: glass.identity(n).certificate.der),
)
NONCE = t.octets(bytes(range(1, 17)))
ATTRIBUTE_VALUES = {
    "contentType": st.just(t.oid(t.DATA)),
    "messageDigest": st.just(t.octets(bytes(8))),
    "transactionID": mostly(t.printable("glass"), wrong=STRINGS),
    "messageType": st.sampled_from(["3", "17", "19", "20", "21", "22", "4"]).map(t.printable),
    "senderNonce": mostly(NONCE, wrong=wrapped(SMALL)),
    "recipientNonce": mostly(NONCE, wrong=wrapped(SMALL)),
    "pkiStatus": st.sampled_from(["0", "2", "3", "9"]).map(t.printable),
    "failInfo": st.sampled_from(["0", "4", "77", "-1"]).map(t.printable),
    "failInfoText": STRINGS,
    "hresult": STRINGS,
    "signingTime": TIMES,
    "cmsAlgorithmProtection": sequence(ALGORITHM, tagged(1, OIDS)),
}


def attribute(name: str) -> Octets:
    """Return a signed attribute, mostly with one value."""
    one = ATTRIBUTE_VALUES[name]
    values = st.integers(0, 15).flatmap(
        lambda n: many(one, tag=0x31) if n == 15 else one.map(t.unsorted_set)
    )
    return sequence(st.just(t.oid(ATTRIBUTES[name])), values)


OPTIONAL_ATTRIBUTES = (
    "failInfo",
    "failInfoText",
    "hresult",
    "signingTime",
    "cmsAlgorithmProtection",
)
SIGNED_ATTRIBUTES = sequence(
    *(
        optional(attribute(name)) if name in OPTIONAL_ATTRIBUTES else attribute(name)
        for name in ATTRIBUTE_VALUES
    ),
    tag=0xA0,
)


def pki_message(content: Octets) -> Octets:
    """Return a pkiMessage around an envelope with *content*."""
    return content_info(
        t.SIGNED_DATA,
        sequence(
            INTEGERS,
            many(ALGORITHM, tag=0x31, most=1),
            sequence(st.just(t.oid(t.DATA)), optional(tagged(0, wrapped(envelope(content))))),
            many(ENCLOSED, tag=0xA0, most=2),
            many(
                sequence(
                    INTEGERS,
                    IDENTIFIER,
                    st.just(t.algorithm(t.SHA256)),
                    SIGNED_ATTRIBUTES,
                    mostly(
                        t.algorithm(t.RSA_ENCRYPTION, t.null()),
                        t.algorithm(t.ECDSA_WITH_SHA256),
                        wrong=ALGORITHM,
                    ),
                    wrapped(SMALL),
                ),
                tag=0x31,
                most=1,
            ),
        ),
    )


def signed(content: Octets, signer: str, *attributes: tuple[str, bytes]) -> Octets:
    """Return a pkiMessage in order around any envelope with *content*."""
    return envelope(content).map(
        lambda enveloped: sign_data(
            enveloped,
            identity=glass.identity(signer),
            digest_algorithm=DigestAlgorithm.SHA256,
            attributes=[
                (ATTRIBUTES["transactionID"], t.printable("glass")),
                (ATTRIBUTES["senderNonce"], NONCE),
                *((ATTRIBUTES[name], value) for name, value in attributes),
            ],
            certificates=[glass.identity(signer).certificate.der],
            provider=glass.PROVIDER,
        )
    )


def request_by(signer: str) -> Octets:
    """Return a request, most often one that a server reads."""
    content = st.one_of(st.just(glass.csr(signer).der), REQUEST_CONTENT)
    return st.one_of(
        pki_message(REQUEST_CONTENT),
        signed(content, signer, ("messageType", t.printable("19"))),
    )


def reply_by(signer: str) -> Octets:
    """Return a reply, most often one that a client reads."""
    return st.one_of(
        pki_message(BAG),
        signed(
            BAG,
            signer,
            ("messageType", t.printable("3")),
            ("pkiStatus", t.printable("0")),
            ("recipientNonce", NONCE),
        ),
    )


REQUEST_CONTENT = st.one_of(CSR, sequence(NAME, NAME), sequence(NAME, INTEGERS), ANY)
PRIVATE_KEY = st.one_of(
    sequence(INTEGERS, ALGORITHM, wrapped(st.one_of(many(INTEGERS, most=9), ANY))),
    many(INTEGERS, most=9),
    sequence(INTEGERS, wrapped(SMALL), tagged(0, OIDS), tagged(1, SIGNATURE)),
    sequence(
        sequence(
            st.just(t.oid("1.2.840.113549.1.5.13")),
            sequence(
                sequence(
                    st.just(t.oid("1.2.840.113549.1.5.12")),
                    sequence(wrapped(SMALL), INTEGERS, optional(INTEGERS), optional(ALGORITHM)),
                ),
                CIPHER,
            ),
        ),
        wrapped(SMALL),
    ),
)

# ------------------------------------------------------------------------------------- the tests

SHAPES = {
    "request": request_by("client-old"),
    "request-by-password": request_by("ec-client-old"),
    "reply": reply_by("ca"),
    "reply-by-password": reply_by("ec-ca"),
    "reply-to-get-cert": pki_message(BAG),
    "reply-to-get-crl": pki_message(BAG),
    "pki-message": pki_message(REQUEST_CONTENT),
    "envelope": envelope(SMALL),
    "password-recipient": PASSWORD_RECIPIENT,
    "inspection-of-glass": st.one_of(request_by("ec-client-old"), reply_by("ec-ca"), BAG),
    "inspection": st.one_of(envelope(CSR), pki_message(REQUEST_CONTENT), pki_message(BAG)),
    "ca-certificates": st.one_of(BAG, CERTIFICATE),
    "next-ca-certificates": pki_message(BAG),
    "csr": CSR,
    "certificate": CERTIFICATE,
    "crl": CRL,
    "name": NAME,
    "key-file": PRIVATE_KEY,
}
"""What each harness is given."""


def property_of(harness: str) -> Callable[[], None]:
    """Return a hypothesis test that gives the harness trees of its shape."""

    @given(octets=SHAPES[harness])
    @settings(max_examples=40, deadline=None)
    def gives_our_errors_or_nothing(octets: bytes) -> None:
        HARNESSES[harness].outcome(octets)

    return gives_our_errors_or_nothing


PROPERTIES = {harness: property_of(harness) for harness in SHAPES}
