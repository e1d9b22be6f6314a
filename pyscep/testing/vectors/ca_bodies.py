"""Answers to GetCACert, GetNextCACert and GetCACaps, right and wrong."""

from __future__ import annotations

from collections.abc import Iterator

from pyscep import der, http_server
from pyscep.algorithms import DigestAlgorithm
from pyscep.cms_signed import degenerate, sign_data
from pyscep.http import HttpResponse
from pyscep.testing.faults import Fault, OnCapabilities
from pyscep.testing.vectors import ber
from pyscep.testing.vectors.model import (
    Content,
    Expected,
    Reader,
    Rejection,
    Vector,
    accepted,
    rejected,
)
from pyscep.testing.vectors.parties import Parties

PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>POST</body></html>\n"


def ca_vectors(parties: Parties) -> Iterator[Vector]:
    """Return all answers of this module."""
    yield from _capabilities()
    yield from _faulty_capabilities()
    yield from _bags(parties)
    yield from _wrong_bags(parties)
    yield from _next(parties)
    yield from _wrong_next(parties)


# ---------------------------------------------------------------------------------- GetCACaps

_ALL = ("AES", "DES3", "POSTPKIOperation", "Renewal", "SCEPStandard", "SHA-1", "SHA-256", "SHA-512")


def _caps(name: str, response: HttpResponse, expected: Expected) -> Vector:
    return Vector(
        name=f"ca-caps/{name}",
        octets=response.body,
        reader=Reader.CLIENT,
        content=Content.CA_CAPS,
        expected=expected,
        authority="ca",
        http=(response.status, response.headers),
    )


def _capabilities() -> Iterator[Vector]:
    lines = "\n".join(_ALL)
    mixed = " aes \r\n\r\nScepStandard\nSHA-256\t\nDES3"
    strange = "SHA-256\nAES\nExample.com-Bar\nUpdate\nSHA-224\nGetNextCACert\n"
    parts = "A\nSHA\nAES-GCM\nNoRenewal\nSHA-256,AES\nPOST\nSHA-2567\n"
    ndes = "POSTPKIOperation\r\nRenewal\r\nSHA-512\r\nSHA-256\r\nSHA-1\r\nDES3\r\n"
    bodies: tuple[tuple[str, str, Expected], ...] = (
        (
            "lf",
            f"{lines}\n",
            accepted("LF ends the lines.", "C-03", "C-04", "C-13", capabilities=_ALL),
        ),
        (
            "crlf",
            lines.replace("\n", "\r\n") + "\r\n",
            accepted("CRLF ends the lines.", "C-03", "C-04", capabilities=_ALL),
        ),
        (
            "no-final-line-end",
            lines,
            accepted("Nothing ends the last line.", "C-04", capabilities=_ALL),
        ),
        (
            "case-and-spaces",
            mixed,
            accepted(
                "Case, spaces, blank lines and mixed line ends make no difference.",
                "C-04",
                "C-07",
                capabilities=("AES", "DES3", "SCEPStandard", "SHA-256"),
            ),
        ),
        (
            "standard-only",
            "SCEPStandard\n",
            accepted(
                "SCEPStandard alone implies AES, POSTPKIOperation and SHA-256, but no Renewal.",
                "C-13",
                capabilities=("SCEPStandard",),
            ),
        ),
        (
            "unknown-keywords",
            strange,
            accepted(
                "Keywords that RFC 8894 does not have are passed over.",
                "C-08",
                "C-30",
                capabilities=("AES", "GetNextCACert", "SHA-256"),
            ),
        ),
        (
            "ndes",
            ndes,
            rejected(
                Rejection.DOWNGRADE,
                "NDES does not announce the AES that it can do, so 3DES would be chosen; the user "
                "may know better.",
                "C-23",
                "C-26",
                capabilities=(
                    "DES3",
                    "POSTPKIOperation",
                    "Renewal",
                    "SHA-1",
                    "SHA-256",
                    "SHA-512",
                ),
                allow=("DES_EDE3_CBC",),
            ),
        ),
        (
            "parts-of-keywords",
            parts,
            rejected(
                Rejection.DOWNGRADE,
                "Whole lines are compared: none of these is a keyword.",
                "C-09",
                capabilities=(),
                allow=("DES_EDE3_CBC", "SHA1"),
            ),
        ),
        (
            "empty",
            "",
            rejected(
                Rejection.DOWNGRADE,
                "Nothing is announced, so only 3DES and SHA-1 over GET may be assumed.",
                "C-16",
                "C-18",
                capabilities=(),
                allow=("DES_EDE3_CBC", "SHA1"),
            ),
        ),
    )
    for name, body, expected in bodies:
        yield _caps(name, http_server.ca_caps_response(body.encode()), expected)


_FAULTY_CAPABILITIES = {
    Fault.CAPABILITIES_STRIPPED: rejected(
        Rejection.DOWNGRADE,
        "What somebody in the middle leaves of it would lead to 3DES and SHA-1.",
        "C-22",
        "C-23",
        capabilities=("DES3", "SHA-1"),
        allow=("DES_EDE3_CBC", "SHA1"),
    ),
    Fault.CAPABILITIES_LYING: accepted(
        "Everything is announced, also what the server cannot do; nothing here shows that.",
        "C-32",
        capabilities=(*_ALL[:2], "GetNextCACert", *_ALL[2:]),
    ),
    Fault.CAPABILITIES_PAGE: rejected(
        Rejection.DOWNGRADE,
        "A web page announces nothing.",
        "C-31",
        capabilities=(),
        allow=("DES_EDE3_CBC", "SHA1"),
    ),
    Fault.CAPABILITIES_ERROR: rejected(
        Rejection.DOWNGRADE,
        "An HTTP error announces nothing.",
        "C-16",
        capabilities=(),
        allow=("DES_EDE3_CBC", "SHA1"),
    ),
}


def _faulty_capabilities() -> Iterator[Vector]:
    right = http_server.ca_caps_response("".join(f"{keyword}\n" for keyword in _ALL).encode())
    for fault, expected in _FAULTY_CAPABILITIES.items():
        effect: OnCapabilities = fault.value
        name = fault.name.lower().replace("_", "-").removeprefix("capabilities-")
        yield _caps(name, effect.apply(right), expected)


# ---------------------------------------------------------------------------------- GetCACert


def _bag(
    name: str, authority: str, body: bytes, expected: Expected, *, chain: bool = True
) -> Vector:
    response = http_server.ca_cert_response(body, chain=chain)
    return Vector(
        name=f"ca-certs/{name}",
        octets=body,
        reader=Reader.CLIENT,
        content=Content.CA_CERT,
        expected=expected,
        authority=authority,
        http=(response.status, response.headers),
    )


def _bags(parties: Parties) -> Iterator[Vector]:
    def octets(*names: str) -> list[bytes]:
        return [parties.certificate(name).der for name in names]

    bare = octets("ca")[0]
    yield _bag("bare", "ca", bare, accepted("One CA that does everything.", "G-03"), chain=False)
    yield _bag(
        "bare-with-wrong-type",
        "ca",
        bare,
        accepted("The content says what it is, whatever the Content-Type says.", "G-05"),
    )
    yield _bag(
        "pkcs7-with-one",
        "ca",
        degenerate(octets("ca")),
        accepted("One certificate in PKCS #7.", "G-06"),
    )
    yield _bag(
        "chain",
        "chain",
        degenerate(octets("issuing", "root")),
        accepted("An issuing CA below a root.", "G-04", "G-08"),
    )
    yield _bag(
        "chain-root-first",
        "chain",
        degenerate(octets("root", "issuing")),
        accepted("The order means nothing.", "G-07", "G-08"),
    )
    yield _bag(
        "ra",
        "ra",
        degenerate(octets("ra-sign", "ra-encrypt", "ca")),
        accepted("Two RA certificates: one signs replies, one decrypts.", "G-08", "G-09"),
    )
    yield _bag(
        "ndes",
        "ndes",
        degenerate(octets("ndes-ca", "ndes-ra-encrypt", "ndes-ra-sign")),
        accepted("As NDES sends it: RA certificates with the same subject.", "G-08", "G-09"),
    )
    yield _bag(
        "ber",
        "ra",
        ber.indefinite_signed_data(degenerate(octets("ca", "ra-encrypt", "ra-sign"))),
        accepted("BER with indefinite lengths.", "G-06", "D-04"),
    )
    yield _bag(
        "empty-content",
        "ca",
        _with_empty_content(octets("ca")[0]),
        accepted("An empty OCTET STRING where the content should be absent.", "G-06", "D-04"),
    )


def _with_empty_content(certificate: bytes) -> bytes:
    """Return a degenerate SignedData the way some servers write it."""
    signed_data = der.sequence(
        der.integer(1),
        der.set_of((der.sequence(der.oid(DigestAlgorithm.SHA256.oid), der.null()),)),
        der.sequence(der.oid("1.2.840.113549.1.7.1"), der.explicit(0, der.octet_string(b""))),
        der.encode(der.context(0), certificate),
        der.set_of(()),
    )
    return der.sequence(der.oid("1.2.840.113549.1.7.2"), der.explicit(0, signed_data))


def _wrong_bags(parties: Parties) -> Iterator[Vector]:
    def bag(*names: str) -> bytes:
        return degenerate([parties.certificate(name).der for name in names])

    right = bag("ra-sign", "ra-encrypt", "ca")
    untrusted, malformed = Rejection.UNTRUSTED_CA, Rejection.MALFORMED
    cases: tuple[tuple[str, bytes, Expected], ...] = (
        (
            "stranger",
            bag("stranger-ca"),
            rejected(untrusted, "Another CA of the same name.", "G-17", "G-18"),
        ),
        (
            "look-alike",
            bag("ca-look-alike"),
            rejected(untrusted, "Another key under the names and number of the CA.", "G-17"),
        ),
        (
            "stranger-ra",
            bag("ca", "stranger-ra"),
            rejected(untrusted, "The right CA, and an RA that it has not certified.", "G-17"),
        ),
        (
            "ordinary-certificate",
            bag("ca", "client-old"),
            rejected(untrusted, "A client's certificate in the place of an RA's.", "G-17"),
        ),
        ("expired", bag("expired-ca"), rejected(untrusted, "The CA has expired.", "G-14")),
        ("no-certificate", bag(), rejected(Rejection.RULE, "There is none in it.", "G-22")),
        ("truncated", right[: len(right) // 2], rejected(malformed, "Half of it.", "G-22")),
        ("trailing-byte", right + b"\0", rejected(malformed, "A byte after it.", "G-22", "M-42")),
        ("web-page", PAGE, rejected(Rejection.HTTP, "A web page.", "G-22", "T-24")),
        ("nothing", b"", rejected(Rejection.HTTP, "Nothing.", "G-22", "T-24")),
    )
    for name, body, expected in cases:
        yield _bag(f"wrong-{name}", "ca", body, expected)


# ------------------------------------------------------------------------------ GetNextCACert


def _next_vector(name: str, body: bytes, expected: Expected) -> Vector:
    response = http_server.next_ca_cert_response(body)
    return Vector(
        name=f"next-ca-certs/{name}",
        octets=body,
        reader=Reader.CLIENT,
        content=Content.NEXT_CA_CERT,
        expected=expected,
        authority="ca",
        http=(response.status, response.headers),
    )


def _signed(
    parties: Parties, signer: str, content: bytes | None, *beside: str, label: str
) -> bytes:
    return sign_data(
        content,
        identity=parties.identity(signer),
        digest_algorithm=DigestAlgorithm.SHA256,
        attributes=(),
        certificates=[parties.certificate(name).der for name in (signer, *beside)],
        provider=parties.provider(label),
    )


def _next(parties: Parties) -> Iterator[Vector]:
    nested = degenerate([parties.certificate("next-ca").der])
    yield _next_vector(
        "nested",
        _signed(parties, "ca", nested, label="nested"),
        accepted(
            "The next certificate is the signed content.", "N-02", "N-04", certificate="next-ca"
        ),
    )
    yield _next_vector(
        "flat",
        _signed(parties, "ca", None, "next-ca-link", label="flat"),
        accepted(
            "The next certificate stands beside the signature, and the current CA issued it.",
            "N-02",
            "N-04",
            certificate="next-ca-link",
        ),
    )


def _wrong_next(parties: Parties) -> Iterator[Vector]:
    nested = degenerate([parties.certificate("next-ca").der])
    old = degenerate([parties.certificate("expired-ca").der])
    by_stranger = _signed(parties, "stranger-ca", nested, label="stranger")
    right = _signed(parties, "ca", nested, label="tampered")
    at = right.index(nested) + len(nested) - 40
    cases = (
        (
            "signed-by-stranger",
            by_stranger,
            rejected(Rejection.SIGNATURE, "Signed by another CA of the same name.", "N-03", "N-09"),
        ),
        (
            "tampered",
            right[:at] + bytes((right[at] ^ 1,)) + right[at + 1 :],
            rejected(Rejection.SIGNATURE, "One bit of the content was flipped.", "N-03"),
        ),
        (
            "unsigned",
            nested,
            rejected(Rejection.RULE, "Nobody has signed it.", "N-03", "M-07"),
        ),
        (
            "flat-by-itself",
            _signed(parties, "ca", None, "next-ca", label="flat-by-itself"),
            rejected(
                Rejection.UNTRUSTED_CA,
                "The next certificate is neither signed content nor issued by the current CA.",
                "N-04",
            ),
        ),
        (
            "replayed",
            _signed(parties, "ca", old, label="replayed"),
            rejected(Rejection.UNTRUSTED_CA, "It ends before the current one does.", "N-05"),
        ),
    )
    for name, body, expected in cases:
        yield _next_vector(f"wrong-{name}", body, expected)
