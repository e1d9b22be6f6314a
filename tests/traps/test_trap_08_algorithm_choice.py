"""Trap 8: "strongest" is not what a server understands; the capabilities decide, exactly."""

from __future__ import annotations

import pytest

from pyscep.algorithms import ContentEncryptionAlgorithm, DigestAlgorithm
from pyscep.capabilities import HttpMethod, parse_capabilities
from pyscep.errors import DowngradeRefused

AES128 = ContentEncryptionAlgorithm.AES128_CBC
TRIPLE_DES = ContentEncryptionAlgorithm.DES_EDE3_CBC
SHA1, SHA256, SHA512 = DigestAlgorithm.SHA1, DigestAlgorithm.SHA256, DigestAlgorithm.SHA512
GET, POST = HttpMethod.GET, HttpMethod.POST

Triple = tuple[ContentEncryptionAlgorithm, DigestAlgorithm, HttpMethod]

# What is announced, and what is chosen where legacy is allowed.
MATRIX: dict[str, Triple] = {
    "": (TRIPLE_DES, SHA1, GET),
    "SCEPStandard": (AES128, SHA256, POST),
    "AES": (AES128, SHA1, GET),
    "DES3": (TRIPLE_DES, SHA1, GET),
    "SHA-1": (TRIPLE_DES, SHA1, GET),
    "SHA-256": (TRIPLE_DES, SHA256, GET),
    "SHA-512": (TRIPLE_DES, SHA512, GET),
    "POSTPKIOperation": (TRIPLE_DES, SHA1, POST),
    "Renewal GetNextCACert": (TRIPLE_DES, SHA1, GET),
    "AES DES3": (AES128, SHA1, GET),
    "SHA-1 SHA-256 SHA-512": (TRIPLE_DES, SHA256, GET),
    "SHA-1 SHA-512": (TRIPLE_DES, SHA512, GET),
    "AES SHA-256": (AES128, SHA256, GET),
    "AES SHA-512": (AES128, SHA512, GET),
    "AES SHA-256 POSTPKIOperation": (AES128, SHA256, POST),
    "AES SHA-512 SCEPStandard": (AES128, SHA256, POST),
    "DES3 SHA-1 SCEPStandard": (AES128, SHA256, POST),
    # scepserver, and old NDES.
    "Renewal SHA-1 SHA-256 AES DES3 SCEPStandard POSTPKIOperation": (AES128, SHA256, POST),
    "POSTPKIOperation Renewal SHA-512 SHA-256 SHA-1 DES3": (TRIPLE_DES, SHA256, POST),
    "AES-256 AES256 SHA-384 SHA-3": (TRIPLE_DES, SHA1, GET),
}


@pytest.mark.conforms("C-10", "C-11", "C-13", "C-19", "C-20", "T-02")
@pytest.mark.parametrize(("keywords", "triple"), MATRIX.items(), ids=lambda value: str(value)[:60])
def test_matrix(keywords: str, triple: Triple) -> None:
    capabilities = parse_capabilities("\n".join(keywords.split()).encode())
    chosen = capabilities.select(allow_legacy=True)
    found = chosen.content_encryption_algorithm, chosen.digest_algorithm, chosen.http_method
    assert found == triple
    if TRIPLE_DES in triple or SHA1 in triple:
        assert chosen.downgrades
        with pytest.raises(DowngradeRefused):
            capabilities.select()
    else:
        assert not chosen.downgrades
        assert capabilities.select() == chosen
