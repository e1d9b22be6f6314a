"""Small changes of messages: rejected, or read as before where nothing protects what was changed.

Here are a few thousand of them, the same each time. ``python -m tests.mutation`` tries all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pyscep.testing.vectors import write_vectors
from tests.helpers.keys import provider
from tests.helpers.vector_reader import VectorDirectory
from tests.mutation.changes import Change, bit_flips, elements, is_der, lengths, spans
from tests.mutation.readers import UNPROTECTED, Rejected, Subject, excuse, subjects
from tests.mutation.verdict import Verdict, judge

CHOSEN = (
    "requests/pkcs-req-aes128-sha256",
    "requests/renewal-req-aes128-sha256",
    "requests/cert-poll-aes256-sha512",
    "requests/get-crl-aes128-sha1",
    "requests/pkcs-req-ec-client-to-ec-aes128-sha256",
    "replies/success-to-pkcs-req-aes128-sha256",
    "replies/success-to-get-crl-aes128-sha256",
    "replies/success-to-get-cert-3des-sha1",
    "replies/success-to-renewal-req-ec-client-to-ec-aes128-sha256",
    "replies/pending-absent-sha256",
    "replies/failure-with-text",
    "replies/drafted-indefinite-lengths",
)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    root: Path = tmp_path_factory.mktemp("vectors") / "new"
    write_vectors(root, provider=provider())
    return {subject.name: subject for subject in subjects(VectorDirectory.open(root))}


def test_every_type_and_algorithm_is_there(known: dict[str, Subject]) -> None:
    names = " ".join(known)
    for part in (
        "pkcs-req",
        "renewal-req",
        "cert-poll",
        "get-cert",
        "get-crl",
        "pending",
        "failure",
    ):
        assert part in names
    for part in ("aes128", "aes256", "3des", "sha1", "sha256", "sha512", "oaep-sha512"):
        assert part in names
    assert len(known) > 150


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.conforms("S-01", "S-19", "M-05", "M-42")
def test_changed_messages(name: str, known: dict[str, Subject]) -> None:
    subject = known[name]
    changes: list[Change] = list(bit_flips(subject.octets, step=101))
    if is_der(subject.octets):
        changes += list(lengths(subject.octets))[::5]
        changes += list(elements(subject.octets))[::3]
    verdict = judge(subject, changes)
    assert not verdict.wrong
    assert verdict.rejected > len(changes) // 3
    assert verdict.rejected + sum(verdict.unnoticed.values()) == len(changes)


def test_unchanged_messages_are_accepted(known: dict[str, Subject]) -> None:
    for name in CHOSEN:
        assert not isinstance(known[name].outcome(known[name].octets), Rejected)


def test_every_part_that_may_be_changed_is_known_by_an_example(known: dict[str, Subject]) -> None:
    """What is listed is so: there is a change there that nobody notices."""
    seen: set[str] = set()
    for name in (
        "requests/pkcs-req-aes128-sha256",
        "replies/failure-with-text",
        "replies/pending-empty-sha256",
    ):
        subject = known[name]
        verdict = judge(subject, (*elements(subject.octets), *lengths(subject.octets)))
        verdict.add(judge(subject, bit_flips(subject.octets, step=8, begin=5)))
        seen |= set(verdict.unnoticed)
    # Nobody of the vectors' authors writes unsigned attributes.
    assert seen == {part.part for part in UNPROTECTED} - {"unsignedAttrs"}


def test_a_change_that_is_not_listed_is_wrong(known: dict[str, Subject]) -> None:
    """The judge can say no: to another result, and to one that should have been noticed."""
    good = known["replies/pending-absent-sha256"]
    careless = Subject(good.name, good.octets, lambda _octets: "as always")
    signature = next(s for s in reversed(spans(good.octets)) if good.octets[s.start] == 0x04)
    changed = bytearray(good.octets)
    changed[signature.end - 1] ^= 1
    change = Change("a bit of the signature", signature.path, bytes(changed))
    assert excuse(good, change) is None
    assert judge(careless, [change]).wrong == [
        f"{good.name}: {change.what} at {change.path} is not noticed"
    ]
    gullible = Subject(good.name, good.octets, bytes)
    assert "gives another result" in judge(gullible, [change]).wrong[0]
    broken = Subject(good.name, good.octets, lambda _octets: 1 // 0)
    assert "ZeroDivisionError" in judge(broken, [change], expected=1).wrong[0]
    assert not Verdict().wrong


def test_each_kind_of_change(known: dict[str, Subject]) -> None:
    octets = known["replies/pending-absent-sha256"].octets
    assert len(list(bit_flips(octets))) == 8 * len(octets)
    kinds = {change.what.split()[0] for change in (*elements(octets), *lengths(octets))}
    assert kinds == {"delete", "repeat", "exchange", "length"}
    assert all(change.octets != octets for change in (*elements(octets), *lengths(octets)))
