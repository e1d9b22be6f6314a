"""What a message costs, as far as it can be counted; what has to be timed is in ``benchmarks/``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import counts, footprint, smallest
from benchmarks.counts import CALLS
from benchmarks.material import WORKS, Material

OPERATIONS = {
    "PKCSReq": {"sign": 3, "encrypt": 1},
    "message only": {"sign": 1, "encrypt": 1},
    "RenewalReq": {"sign": 1, "encrypt": 1},
    "CertPoll": {"sign": 1, "encrypt": 1},
    "CertRep read": {"verify": 2, "decrypt": 1},
    "CertRep built": {"sign": 1, "encrypt": 1},
    "enrolment": {"sign": 5, "encrypt": 2, "verify": 4, "decrypt": 2},
}
SHORT = 20_000
"""Entries of a CRL; the ratio is that of any longer one."""


@pytest.fixture(scope="module")
def material() -> Material:
    return Material.create()


@pytest.mark.parametrize("name", WORKS)
def test_function_calls(material: Material, name: str) -> None:
    assert counts.calls(WORKS[name](material)) <= CALLS[name]


@pytest.mark.parametrize("name", WORKS)
def test_no_rsa_operation_is_done_in_vain(material: Material, name: str) -> None:
    assert counts.rsa_operations(WORKS[name](material)) == OPERATIONS[name]


@pytest.mark.parametrize("name", WORKS)
def test_keys_and_certificates_are_loaded_once(material: Material, name: str) -> None:
    assert counts.loads(WORKS[name](material)) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells it on Linux only")
def test_peak_memory_of_a_process_that_makes_a_pkcs_req(material: Material, tmp_path: Path) -> None:
    material.write(tmp_path)
    told = counts.run("cold_start.py", str(tmp_path))
    assert told["bytes"] > 1000
    # The interpreter and its library alone take more from Python 3.12 on.
    most = 26 if sys.version_info < (3, 12) else 28
    assert 5 * 1024 < told["peak_kib"] <= most * 1024


def test_memory_for_a_crl() -> None:
    assert footprint.crl_memory(SHORT) <= 3.5


def test_the_smallest_install_enrols(tmp_path: Path) -> None:
    sizes = smallest.write(tmp_path)
    assert set(sizes) == {"asn1crypto", "oscrypto", "pyscep"}
    assert sizes.total() < 1.25 * 1024 * 1024
    # Nothing but what was written there, and the standard library, is at hand.
    loaded = smallest.enrol("-S", "-OO", path=tmp_path)
    assert {Path(file).suffix for file in loaded.values()} == {".pyc"}
    assert all(Path(file).is_relative_to(tmp_path) for file in loaded.values())


def test_the_counts_can_be_exceeded(material: Material) -> None:
    def twice() -> None:
        material.pkcs_req()
        material.pkcs_req()

    def with_a_new_key() -> None:
        material.provider.generate_rsa_key(1024)
        material.provider.load_private_key(pem)

    dump = material.provider.dump_private_key  # type: ignore[attr-defined]
    pem = dump(material.key)
    assert counts.calls(twice) > CALLS["PKCSReq"]
    assert counts.rsa_operations(twice) == {"sign": 6, "encrypt": 2}
    assert counts.loads(with_a_new_key) > 0
    assert footprint.memory(lambda: bytes(10**6)) >= 10**6


def test_calls_into_libcrypto_are_watched_and_let_go(material: Material) -> None:
    with counts.in_libcrypto() as taken:
        material.repeated_pkcs_req()
    seen = len(taken)
    # One signature, two encryptions, each of several calls.
    assert seen > 10
    assert all(seconds >= 0 for seconds in taken)
    material.repeated_pkcs_req()
    assert len(taken) == seen
