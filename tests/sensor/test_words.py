"""What the operator reads: something for every error, and another thing for a renewal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pytest

import pyscep
from pyscep import errors
from pyscep.testing.faults import Fault
from pyscep.testing.misbehaviour import MisbehavingServer
from pyscep.transport import RequestsTransport
from sensor_parts import words
from sensor_parts.storage import State
from tests.helpers import keys, responders, sensors


def tree(kind: type[pyscep.ScepError]) -> Iterator[type[pyscep.ScepError]]:
    yield kind
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from tree(each)


EVERY_ERROR = list(dict.fromkeys(tree(pyscep.ScepError)))


def test_every_error_has_its_own_entry_and_no_other() -> None:
    assert set(words.ERRORS) == set(EVERY_ERROR)
    causes = [entry.cause for entry in words.ERRORS.values()]
    assert len(set(causes)) == len(causes)


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_enrolment_and_renewal_are_told_apart(kind: type[pyscep.ScepError]) -> None:
    error = kind.__new__(kind)
    error.args = ("What the library says.",)
    enrolment, renewal = (words.explain_error(error, renewal=each) for each in (False, True))
    assert enrolment != renewal
    for text in (enrolment, renewal):
        assert text.endswith("(What the library says.)")


def test_an_error_of_somebody_else_is_explained_by_its_kind() -> None:
    class Special(pyscep.UntrustedCa):
        pass

    assert "CA certificates" in words.explain_error(Special("Odd."), renewal=False)


@pytest.mark.conforms("M-23", "A-08")
@pytest.mark.parametrize("fail_info", [*pyscep.FailInfo, None])
def test_every_refusal_is_told_apart_and_named(fail_info: pyscep.FailInfo | None) -> None:
    texts = set()
    for renewal in (False, True):
        failure = pyscep.Failure(
            fail_info=fail_info,
            fail_info_value=fail_info.value if fail_info else None,
            fail_info_text="ask\nPat",
            hresult=None,
            explanation=pyscep.messages.explain_fail_info(
                fail_info.value if fail_info else None,
                message_type=pyscep.MessageType.PKCS_REQ,
                renewal=renewal,
            ),
            transaction=responders.begin(responders.new_responder()).transaction,
        )
        text = words.explain_failure(failure)
        assert (fail_info.rfc_name if fail_info else "no reason") in text
        assert text.isprintable()
        assert "The server says 'ask\\nPat'." in text
        texts.add(text)
    assert len(texts) == 2


# What a server can do wrong, and the words that have to be in the operator's message.
FAULTS = {
    Fault.SIGNED_BY_STRANGER: "was not signed by the CA",
    Fault.WRONG_RECIPIENT_NONCE: "may be an old one",
    Fault.WRONG_TRANSACTION_ID: "belongs to another request",
    Fault.WRONG_MESSAGE_TYPE: "something else than an answer",
    Fault.MISSING_PKI_STATUS: "is incomplete",
    Fault.DUPLICATE_PKI_STATUS: "says something twice",
    Fault.ENCRYPTED_WITH_WRONG_KEY: "was not encrypted for this sensor",
    Fault.CERTIFICATE_FOR_ANOTHER_KEY: "something else than was asked for",
    Fault.TRUNCATED_MESSAGE: "is not SCEP at all",
    Fault.DEEP_MESSAGE: "unreasonably large",
    Fault.HTML_PAGE: "not in SCEP",
    Fault.SERVER_ERROR: "not in SCEP",
    Fault.CLOSED_CONNECTION: "could not be reached",
    Fault.REFUSED: "The server refused (",
}


@pytest.fixture(scope="module")
def server() -> Iterator[MisbehavingServer]:
    responder = responders.new_responder(handler=sensors.Moody())
    with MisbehavingServer(responder) as running:
        yield running


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_faults_of_a_server_become_messages(
    server: MisbehavingServer, fault: Fault, tmp_path: Path
) -> None:
    server.reset()
    clock = sensors.Clock()
    settings = sensors.settings_for(tmp_path, sensors.network_table(server.url))
    with RequestsTransport(timeout=10) as send:
        (network,) = sensors.start(settings, clock, send)
        server.misbehave(fault)
        enrolment = network.step()
        assert enrolment.state is State.ENROLMENT_FAILED
        assert enrolment.message.startswith("Enrolment failed. ")
        server.reset()
        good = sensors.step_at_next(network, clock, enrolment)
        assert good.state is State.ACTIVE
        before = sensors.certificate_of(network)
        server.misbehave(fault)
        renewal = sensors.step_at_next(network, clock, good)
        assert renewal.state is State.RENEWAL_FAILED
        assert renewal.message.startswith("Renewal failed. ")
        assert sensors.certificate_of(network) == before
    for status in (enrolment, renewal):
        assert FAULTS[fault] in status.message
        assert status.message.isprintable()
        assert sensors.CHALLENGE not in status.message
    assert "The present certificate is good until" in renewal.message


def test_security_errors_wait_longer_than_refusals_and_these_than_the_network(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    waits = {}
    for fault in (Fault.SERVER_ERROR, Fault.REFUSED, Fault.SIGNED_BY_STRANGER):
        server.reset()
        server.misbehave(fault)
        clock = sensors.Clock()
        table = sensors.network_table(server.url, name=fault.name)
        (tmp_path / fault.name).mkdir()
        settings = sensors.settings_for(tmp_path / fault.name, table)
        with RequestsTransport(timeout=10) as send:
            (network,) = sensors.start(settings, clock, send)
            status = network.step()
        assert status.next_step is not None
        waits[fault] = status.next_step - keys.NOW
    assert list(waits.values()) == [
        timedelta(minutes=1),
        timedelta(hours=1),
        timedelta(days=1),
    ]


def test_words_have_no_secrets_and_end_in_a_full_stop() -> None:
    everything = chain.from_iterable(
        (each.cause, each.enrolment, each.renewal) for each in words.ERRORS.values()
    )
    for text in everything:
        assert text.endswith(".")
        assert text[0].isupper()
