"""pyscep.capabilities: reading GetCACaps, choosing because of it, and writing it."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscep.algorithms import (
    ContentEncryptionAlgorithm,
    DigestAlgorithm,
    KeyEncryptionAlgorithm,
)
from pyscep.capabilities import (
    IMPLIED_BY_SCEP_STANDARD,
    NO_CAPABILITIES,
    UNREGISTERED_KEYWORDS,
    Algorithms,
    Capabilities,
    Capability,
    HttpMethod,
    ScepStandardPolicy,
    format_capabilities,
    parse_capabilities,
)
from pyscep.errors import DowngradeRefused, UsageError, WeakAlgorithm
from pyscep.limits import Limits

AES128 = ContentEncryptionAlgorithm.AES128_CBC
AES256 = ContentEncryptionAlgorithm.AES256_CBC
TRIPLE_DES = ContentEncryptionAlgorithm.DES_EDE3_CBC
SHA1, SHA256, SHA512 = DigestAlgorithm.SHA1, DigestAlgorithm.SHA256, DigestAlgorithm.SHA512
GET, POST = HttpMethod.GET, HttpMethod.POST


def announced(*keywords: Capability) -> Capabilities:
    return Capabilities(keywords=frozenset(keywords))


# ------------------------------------------------------------------------------------- algorithms


@pytest.mark.conforms("C-20", "M-36", "E-10")
def test_defaults_are_what_the_rfc_wants() -> None:
    default = Algorithms()
    assert default.content_encryption_algorithm is AES128
    assert default.digest_algorithm is SHA256
    assert default.key_encryption_algorithm is KeyEncryptionAlgorithm.RSA_PKCS1_V15
    assert default.http_method is POST
    assert default.downgrades == ()


@pytest.mark.conforms("C-18", "E-12")
def test_single_des_is_never_sent() -> None:
    with pytest.raises(WeakAlgorithm, match=r"never sent .* use AES128_CBC") as caught:
        Algorithms(content_encryption_algorithm=ContentEncryptionAlgorithm.DES_CBC)
    assert (caught.value.algorithm, caught.value.argument) == ("DES_CBC", None)
    with pytest.raises(WeakAlgorithm):
        replace(Algorithms(), content_encryption_algorithm=ContentEncryptionAlgorithm.DES_CBC)
    with pytest.raises(WeakAlgorithm):
        NO_CAPABILITIES.select(
            content_encryption_algorithm=ContentEncryptionAlgorithm.DES_CBC, allow_legacy=True
        )


@pytest.mark.conforms("C-23")
@pytest.mark.parametrize(
    ("cipher", "digest", "downgrades"),
    [
        (AES128, SHA256, ()),
        (AES256, SHA512, ()),
        (TRIPLE_DES, SHA256, ("DES_EDE3_CBC",)),
        (AES128, SHA1, ("SHA1",)),
        (TRIPLE_DES, SHA1, ("DES_EDE3_CBC", "SHA1")),
    ],
)
def test_downgrades_are_visible(
    cipher: ContentEncryptionAlgorithm, digest: DigestAlgorithm, downgrades: tuple[str, ...]
) -> None:
    chosen = Algorithms(content_encryption_algorithm=cipher, digest_algorithm=digest)
    assert chosen.downgrades == downgrades


def test_values_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Algorithms().http_method = GET  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        NO_CAPABILITIES.answered = True  # type: ignore[misc]


# ---------------------------------------------------------------------------------------- reading

ALL = frozenset((Capability.AES, Capability.SHA256, Capability.RENEWAL))


@pytest.mark.conforms("C-03", "C-04", "C-07")
@pytest.mark.parametrize(
    "body",
    [
        b"AES\nSHA-256\nRenewal\n",
        b"AES\r\nSHA-256\r\nRenewal\r\n",
        b"Renewal\nAES\r\nSHA-256",
        b"\n\r\n AES \n\n\tSHA-256\r\n  Renewal  ",
        b"AES\rSHA-256\rRenewal",
        b"aes\nsha-256\nRENEWAL",
        b"\xef\xbb\xbfAES\nSHA-256\nRenewal\n",
        b"AES\nAES\nSHA-256\nRenewal\n",
        b"AES\nSHA-256\nRenewal\n\0",
    ],
)
def test_spellings_of_the_same(body: bytes) -> None:
    capabilities = parse_capabilities(body)
    assert capabilities.keywords == ALL
    assert capabilities.unknown == ()
    assert capabilities.answered
    assert capabilities.server is None


@pytest.mark.conforms("C-06", "C-07")
@pytest.mark.parametrize("capability", Capability)
def test_every_keyword_is_known_in_any_case(capability: Capability) -> None:
    for spelling in (capability.value, capability.value.lower(), capability.value.upper()):
        assert parse_capabilities(spelling.encode()).keywords == {capability}


@pytest.mark.conforms("C-09", "C-08", "C-30")
@pytest.mark.parametrize(
    "line",
    [
        *("A", "AE", "AES-GCM", "AES128", "SHA", "SHA-", "SHA-2567", "NoRenewal", "Renewals"),
        *("POST", "SCEP", "SCEPStandard!", "Foo", "Example.com-Bar"),
        *("Update", "SHA-224", "SHA-384"),
        *("AES, SHA-256", "AES SHA-256", "AES;q=1", "A\0ES", "A\x1bES", "AES\u00a0"),
    ],
)
def test_other_lines_enable_nothing(line: str) -> None:
    capabilities = parse_capabilities(line.encode())
    assert capabilities.keywords == frozenset()
    assert len(capabilities.unknown) == 1


@pytest.mark.conforms("C-08", "C-31")
def test_unknown_lines_are_kept_short_and_printable() -> None:
    body = b"Example.com-Bar\nAES\n" + b"x" * 500 + b"\nK\xc3\xa4se\n\x1b[2J\n"
    assert parse_capabilities(body).unknown == (
        "Example.com-Bar",
        "x" * 64,
        "K\\xc3\\xa4se",
        "?[2J",
    )


@pytest.mark.conforms("C-16", "C-31")
@pytest.mark.parametrize("body", [b"", b"\n", b" \r\n\0", b"\xef\xbb\xbf"])
def test_nothing(body: bytes) -> None:
    assert parse_capabilities(body) == Capabilities(keywords=frozenset())


@pytest.mark.conforms("C-31")
@pytest.mark.parametrize(
    "start",
    [b"<!DOCTYPE html>", b"\r\n  <HTML>", b"\xef\xbb\xbf<html>", b"<?xml version='1.0'?>"],
)
def test_web_page_is_none(start: bytes) -> None:
    page = start + b"\n<pre>\nAES\nSHA-256\nSCEPStandard\n</pre>\n" * 30_000
    assert len(page) > 1_000_000
    capabilities = parse_capabilities(page)
    assert capabilities.keywords == frozenset()
    assert capabilities.unknown == ()


@pytest.mark.conforms("C-31")
def test_only_the_beginning_is_looked_at() -> None:
    limits = Limits(capabilities_size=20, capabilities_lines=2)
    assert parse_capabilities(b"x\ny\nAES\n", limits=limits).keywords == frozenset()
    assert parse_capabilities(b"\n\nx\n\nAES\n", limits=limits).keywords == {Capability.AES}
    assert parse_capabilities(b"x" * 30 + b"\nAES\n", limits=limits).keywords == frozenset()


@pytest.mark.conforms("C-09", "C-31")
def test_line_that_is_cut_is_no_keyword() -> None:
    body = b"SHA-256\nAES-GCM-and-more"
    for size in range(9, len(body)):
        limits = Limits(capabilities_size=size)
        assert parse_capabilities(body, limits=limits).keywords == {Capability.SHA256}
    # Exactly as long as allowed: nothing is cut.
    whole = parse_capabilities(b"SHA-256\nAES", limits=Limits(capabilities_size=11))
    assert whole.keywords == {Capability.SHA256, Capability.AES}


@pytest.mark.conforms("C-27")
def test_server_header_is_handed_on() -> None:
    assert parse_capabilities(b"AES", server="Microsoft-IIS/10.0").server == "Microsoft-IIS/10.0"


@pytest.mark.conforms("C-31")
@given(st.binary(max_size=300))
def test_no_content_is_an_error(body: bytes) -> None:
    capabilities = parse_capabilities(body, limits=Limits(capabilities_size=100))
    assert sum(map(len, capabilities.unknown)) <= 4 * 100
    assert all(line.isascii() and line.isprintable() for line in capabilities.unknown)


# --------------------------------------------------------------------------------------- choosing


@pytest.mark.conforms("C-13", "T-02")
def test_scep_standard_implies() -> None:
    capabilities = announced(Capability.SCEP_STANDARD)
    implied = {Capability.AES, Capability.POST_PKI_OPERATION, Capability.SHA256}
    assert implied == IMPLIED_BY_SCEP_STANDARD
    for capability in Capability:
        expected = capability in implied or capability is Capability.SCEP_STANDARD
        assert capabilities.supports(capability) is expected
    assert capabilities.select() == Algorithms()


@pytest.mark.conforms("C-12")
@pytest.mark.parametrize("capability", Capability)
def test_supports_what_is_announced(capability: Capability) -> None:
    assert announced(capability).supports(capability)
    assert not NO_CAPABILITIES.supports(capability)


@pytest.mark.conforms("C-10", "C-19", "C-20", "C-23")
def test_not_the_strongest_but_what_the_rfc_says() -> None:
    assert announced(*Capability).select() == Algorithms()
    assert announced(*Capability).select(allow_legacy=True) == Algorithms()


@pytest.mark.conforms("C-18")
@pytest.mark.parametrize("capabilities", [NO_CAPABILITIES, parse_capabilities(b"")])
def test_floor(capabilities: Capabilities) -> None:
    floor = capabilities.select(allow_legacy=True)
    assert floor.content_encryption_algorithm is TRIPLE_DES
    assert floor.digest_algorithm is SHA1
    assert floor.http_method is GET
    assert floor.downgrades == ("DES_EDE3_CBC", "SHA1")


@pytest.mark.conforms("C-18", "C-23", "S-10")
@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ((), r"does not announce AES \(it announces nothing\).*AES128_CBC.*use 3DES"),
        ((Capability.SHA256, Capability.DES3), r"AES \(it announces DES3, SHA-256\)"),
        ((Capability.AES, Capability.SHA1), r"SHA-256 \(it .*digest_algorithm=SHA256.*use SHA-1"),
        ((Capability.AES,), r"does not announce SHA-256 \(it announces AES\)"),
    ],
)
def test_downgrade_is_refused(keywords: tuple[Capability, ...], text: str) -> None:
    with pytest.raises(DowngradeRefused, match=text) as caught:
        announced(*keywords).select()
    assert caught.value.argument == "allow_legacy"
    assert caught.value.offered == tuple(sorted(keyword.value for keyword in keywords))


@pytest.mark.conforms("C-19", "C-20")
def test_sha512_only_where_there_is_no_sha256() -> None:
    chosen = announced(Capability.AES, Capability.SHA512, Capability.SHA1).select()
    assert chosen.digest_algorithm is SHA512
    assert chosen.downgrades == ()


NDES = parse_capabilities(
    b"POSTPKIOperation\r\nRenewal\r\nSHA-512\r\nSHA-256\r\nSHA-1\r\nDES3\r\n",
    server="Microsoft-IIS/10.0",
)


@pytest.mark.conforms("C-26")
def test_ndes_does_aes_without_saying_so() -> None:
    with pytest.raises(DowngradeRefused, match="content_encryption_algorithm=AES128_CBC"):
        NDES.select()
    chosen = NDES.select(content_encryption_algorithm=AES128)
    assert chosen == Algorithms()
    assert chosen.downgrades == ()


@pytest.mark.conforms("C-18", "C-20", "T-25")
@pytest.mark.parametrize("capabilities", [NO_CAPABILITIES, NDES, announced(*Capability)])
def test_explicit_choices_win(capabilities: Capabilities) -> None:
    for http_method in HttpMethod:
        chosen = Algorithms(
            content_encryption_algorithm=TRIPLE_DES,
            digest_algorithm=SHA1,
            key_encryption_algorithm=KeyEncryptionAlgorithm.RSA_OAEP_SHA256,
            http_method=http_method,
        )
        assert chosen == capabilities.select(
            content_encryption_algorithm=TRIPLE_DES,
            digest_algorithm=SHA1,
            key_encryption_algorithm=KeyEncryptionAlgorithm.RSA_OAEP_SHA256,
            http_method=http_method,
        )


@pytest.mark.conforms("C-22")
def test_scep_standard_policy() -> None:
    stripped = announced(Capability.SHA1, Capability.DES3)
    with pytest.raises(DowngradeRefused, match="SCEPStandard, or somebody took it out") as caught:
        stripped.select(scep_standard=ScepStandardPolicy.REQUIRE, allow_legacy=True)
    assert caught.value.argument == "scep_standard"
    assert caught.value.offered == ("DES3", "SHA-1")
    assert stripped.select(scep_standard=ScepStandardPolicy.ASSUME) == Algorithms()
    assert NO_CAPABILITIES.select(scep_standard=ScepStandardPolicy.ASSUME) == Algorithms()
    with pytest.raises(DowngradeRefused, match="allow_legacy"):
        stripped.select(scep_standard=ScepStandardPolicy.OPTIONAL)
    standard = announced(Capability.SCEP_STANDARD)
    for policy in ScepStandardPolicy:
        assert standard.select(scep_standard=policy) == Algorithms()


@pytest.mark.conforms("S-10")
def test_a_downgrade_is_not_remembered() -> None:
    NO_CAPABILITIES.select(allow_legacy=True)
    with pytest.raises(DowngradeRefused):
        NO_CAPABILITIES.select()
    assert announced(*Capability).select() == Algorithms()


# ---------------------------------------------------------------------------------------- writing


@pytest.mark.conforms("C-03", "C-05", "C-06")
def test_lines_of_a_server() -> None:
    body = format_capabilities([Capability.SHA256, Capability.AES, Capability.RENEWAL])
    assert body == b"AES\nRenewal\nSHA-256\n"
    assert parse_capabilities(body).keywords == ALL
    crlf = format_capabilities(ALL, line_end="\r\n")
    assert crlf == b"AES\r\nRenewal\r\nSHA-256\r\n"
    assert parse_capabilities(crlf) == parse_capabilities(body)


@pytest.mark.conforms("C-15")
def test_nothing_to_announce() -> None:
    assert format_capabilities(()) == b""


@pytest.mark.conforms("C-14")
def test_implied_keywords_are_spelled_out() -> None:
    standard = [Capability.SCEP_STANDARD]
    assert format_capabilities(standard) == b"AES\nPOSTPKIOperation\nSCEPStandard\nSHA-256\n"
    assert format_capabilities(standard, spell_out=False) == b"SCEPStandard\n"
    assert format_capabilities([Capability.DES3]) == b"DES3\n"


@pytest.mark.conforms("C-24")
@pytest.mark.parametrize("keyword", ["Example.com-Foo", "a.b-c-d", *sorted(UNREGISTERED_KEYWORDS)])
def test_private_keywords(keyword: str) -> None:
    body = format_capabilities([Capability.AES], extra=[keyword])
    assert body == f"AES\n{keyword}\n".encode()
    assert parse_capabilities(body).unknown == (keyword,)


@pytest.mark.conforms("C-24")
@pytest.mark.parametrize(
    "keyword",
    [
        *("", "Foo", "Example-Foo", "Example.com", "Example.com-", "-Foo", ".-Foo", ".com-Foo"),
        *("Example.com-Foo\nAES", "Example.com-F oo", "Ex\u00e4mple.com-Foo", "AES"),
    ],
)
def test_other_private_keywords_are_refused(keyword: str) -> None:
    with pytest.raises(UsageError, match="not a private keyword; write the owner's domain") as got:
        format_capabilities([Capability.AES], extra=[keyword])
    assert got.value.argument == "extra"


@pytest.mark.conforms("C-03")
@pytest.mark.parametrize("line_end", ["", "\r", ", ", "\n\n"])
def test_other_line_ends_are_refused(line_end: str) -> None:
    with pytest.raises(UsageError, match="use LF or CRLF") as caught:
        format_capabilities([Capability.AES], line_end=line_end)
    assert caught.value.argument == "line_end"


@pytest.mark.conforms("C-03", "C-32")
@given(st.frozensets(st.sampled_from(Capability)))
def test_what_is_written_is_read(keywords: frozenset[Capability]) -> None:
    assert parse_capabilities(format_capabilities(keywords, spell_out=False)).keywords == keywords
