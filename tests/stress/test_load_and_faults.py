"""A little of what tools/load.py and tools/flaky.py do for long."""

from __future__ import annotations

import sys
from random import Random

import pytest

from pyscep.testing import EphemeralCa
from tests.helpers import responders
from tools import flaky, load


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what the process holds")
@pytest.mark.parametrize("in_memory", [True, False], ids=["in memory", "over HTTP"])
def test_nothing_is_kept_of_an_enrolment(in_memory: bool) -> None:
    result = load.run(enrolments=60, warm_up=60, bits=1024, in_memory=in_memory, keys=4)
    assert result.certificates == 60
    assert result.after.files <= result.before.files
    assert result.after.threads <= result.before.threads
    assert not result.leaks


def test_what_leaks_is_found() -> None:
    before = load.Footprint(memory=100_000_000, files=9, threads=1)
    for after in (
        load.Footprint(memory=105_300_000, files=9, threads=1),
        load.Footprint(memory=100_000_000, files=10, threads=1),
        load.Footprint(memory=100_000_000, files=9, threads=2),
    ):
        assert load.Result(1, 1, 1.0, before, after).leaks
    assert not load.Result(1, 1, 1.0, before, before).leaks


@pytest.mark.conforms("X-07", "X-14", "X-16", "H-11")
def test_a_network_that_loses_and_garbles() -> None:
    result = flaky.run(enrolments=60, threads=8)
    assert result.wrong == ()
    assert result.issued_twice == 0
    assert result.enrolled > 40
    assert set(result.fates) == set(flaky.Fate)
    # Every error that a client met on the way is one that says what happened to it.
    assert set(result.errors) <= {
        *("TransportError", "HttpError", "DecodeError", "LimitExceeded", "SignatureInvalid"),
        *("TransactionMismatch", "NonceMismatch", "MessageError", "MissingAttribute"),
        *("UnsupportedError", "WeakAlgorithm", "UnexpectedMessageType", "DecryptionFailed"),
        *("ProtocolError", "CertificateMismatch"),
    }


def test_a_certificate_for_the_wrong_client_is_found() -> None:
    """The judge can say no."""
    proxy = flaky.FlakyProxy(target=("127.0.0.1", 1), random=Random(1))  # noqa: S311
    proxy._listening.close()
    authority = flaky.CountingCa(EphemeralCa.create(now=flaky.NOW))
    authority.issued.update({"CN=a": 2, "CN=b": 1})
    own = authority.issuer
    endings = [
        flaky.Ending("CN=a", own, ()),
        flaky.Ending("CN=b", own, ()),
        flaky.Ending("CN=c", None, ()),
    ]
    responder = responders.new_responder()
    result = flaky.judge(endings, authority, proxy, responder, 1.0)
    assert result.issued_twice == 1
    assert len(result.wrong) == 4
