"""Trap 9: whole lines are compared, however they end; a prefix or a web page enables nothing."""

from __future__ import annotations

import pytest

from pyscep.capabilities import Capability, parse_capabilities

AES, SHA256 = Capability.AES, Capability.SHA256
SPLASH = b"""<HTML><Head><Meta HTTP-Equiv="Content-Type" Content="text/html; charset=UTF-8">
<Title>Network Device Enrollment Service</Title></Head><Body>
Your server can do
AES
SCEPStandard
</Body></HTML>"""


@pytest.mark.conforms("C-03", "C-04", "C-05", "C-07", "C-09", "C-31")
@pytest.mark.parametrize(
    ("body", "keywords"),
    [
        (b"A", set()),
        (b"AE\nA\nS", set()),
        (b"", set()),
        (b"\n", set()),
        (b"\r\n\r\n", set()),
        (b"AES-GCM", set()),
        (b"AES-GCM\nSHA-256", {SHA256}),
        (b" aes ", {AES}),
        (b"AES\r\nSHA-256\r\n", {AES, SHA256}),
        (b"AES\r\nSHA-256", {AES, SHA256}),
        (b"AES\nSHA-256\n", {AES, SHA256}),
        (b"\r\nAES\n\n\r\n\tSHA-256", {AES, SHA256}),
        (b"\xef\xbb\xbfAES\r\nSHA-256", {AES, SHA256}),
        ("AES\nSHA-256".encode("utf-16"), set()),
        (b"AES SHA-256", set()),
        (SPLASH, set()),
        (SPLASH * 5000, set()),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_lines(body: bytes, keywords: set[Capability]) -> None:
    assert parse_capabilities(body).keywords == keywords
