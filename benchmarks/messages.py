"""Making and reading messages, against the bare cryptography and against other programs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks import counts
from benchmarks.material import WORKS, Material
from benchmarks.measure import Samples, Turn, interleave, timed
from benchmarks.others import Builders, Program, programs
from benchmarks.raw import Floor
from benchmarks.results import Row, Section
from pyscep.crypto.pyca_provider import PycaProvider

OTHER_TASKS = ("pkcs_req", "message", "read_cert_rep")


def measure(*, built: Path, rounds: int) -> Section:
    """Let all of them take turns.

    :param built: the folder that ``programs/build.sh`` built in.
    """
    material = Material.create()
    with tempfile.TemporaryDirectory() as name, programs(built, material, Path(name)) as others:
        samples = interleave(_turns(material, others), rounds=rounds)
    return Section(
        rows=[*_against_the_floor(samples), *_counts(material), *_against_others(samples)],
        microseconds=samples.summary(),
    )


def _turns(material: Material, others: list[Program]) -> dict[str, Turn]:
    floor, builders = Floor(material), Builders(material)
    # The builders bring along an OpenSSL of their own, so the same one is compared with them.
    same_openssl = Material.create(PycaProvider())
    return {
        "PKCSReq": timed(material.pkcs_req),
        "RenewalReq": timed(material.renewal_req),
        "CertPoll": timed(material.cert_poll),
        "repeated PKCSReq": timed(material.repeated_pkcs_req),
        "CertRep read": timed(material.read_cert_rep),
        "CertRep built": timed(material.build_cert_rep),
        "enrolment": timed(material.enrol),
        "PKCSReq, floor": timed(floor.pkcs_req),
        "message, floor": timed(floor.message),
        "CertRep read, floor": timed(floor.read_cert_rep),
        "CertRep built, floor": timed(floor.build_cert_rep),
        "enrolment, floor": timed(floor.enrol),
        "PKCSReq, provider of cryptography": timed(same_openssl.pkcs_req),
        "message, provider of cryptography": timed(same_openssl.repeated_pkcs_req),
        "PKCSReq, builders of cryptography": timed(builders.pkcs_req),
        "message, builders of cryptography": timed(builders.message),
        **{
            f"{task}, {program.name}": program.turn(task)
            for program in others
            for task in OTHER_TASKS
        },
    }


def _against_the_floor(samples: Samples) -> list[Row]:
    lines = (
        ("PKCSReq", "PKCSReq, floor", "PKCSReq: CSR, self-signed certificate, message", 1.15),
        ("RenewalReq", "message, floor", "message only: RenewalReq", 1.25),
        ("CertPoll", "message, floor", "message only: CertPoll", 1.25),
        ("repeated PKCSReq", "message, floor", "message only: repeated PKCSReq", 1.25),
        ("CertRep read", "CertRep read, floor", "CertRep read, with all checks", 1.5),
        ("CertRep built", "CertRep built, floor", "CertRep built from a stored certificate", 1.3),
        ("enrolment", "enrolment, floor", "whole enrolment in memory, issuing included", 1.3),
    )
    return [
        Row(
            what=what,
            value=samples.ratio(name, floor),
            at_most=goal,
            note="against the bare operations of the provider",
        )
        for name, floor, what, goal in lines
    ]


def _counts(material: Material) -> list[Row]:
    works = {name: work_of(material) for name, work_of in WORKS.items()}
    called = [
        Row(
            what=f"function calls: {name}",
            value=counts.calls(work),
            at_most=counts.CALLS[name],
        )
        for name, work in works.items()
    ]
    loaded = sum(map(counts.loads, works.values()))
    return [
        *called,
        Row(what="keys or certificates loaded again", value=loaded, at_most=0),
    ]


def _against_others(samples: Samples) -> list[Row]:
    ours = {"pkcs_req": "PKCSReq", "message": "repeated PKCSReq", "read_cert_rep": "CertRep read"}
    names = {"pkcs_req": "PKCSReq", "message": "message", "read_cert_rep": "CertRep"}
    faster = [
        Row(
            what=f"{names[task]}, PyScep 0.0.14 against pyscep",
            value=samples.ratio(f"{task}, PyScep", ours[task]),
            at_least=goal,
            note="how many times as long it takes",
        )
        for task, goal in (("pkcs_req", 10), ("message", 10), ("read_cert_rep", 2))
    ]
    builders = [
        Row(
            what=f"{name}, pyscep against the builders of cryptography",
            value=samples.ratio(
                f"{name}, provider of cryptography", f"{name}, builders of cryptography"
            ),
            at_most=1.1,
            note="both on the OpenSSL that cryptography brings along",
        )
        for name in ("PKCSReq", "message")
    ]
    goals = {
        "C": {"pkcs_req": 0.75, "message": None, "read_cert_rep": 0.75},
        "Go": {"pkcs_req": 0.35, "message": None, "read_cert_rep": 0.5},
    }
    notes = {"C": "libcrypto's CMS functions", "Go": "micromdm's library"}
    programs_of_others = [
        Row(
            what=f"{names[task]}, pyscep against {language}",
            value=samples.ratio(ours[task], f"{task}, {language}"),
            at_most=goal,
            note=notes[language],
        )
        for language, tasks in goals.items()
        for task, goal in tasks.items()
    ]
    return [*faster, *builders, *programs_of_others]
