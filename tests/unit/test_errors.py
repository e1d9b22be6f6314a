"""The error tree: drawn as it is, with facts that survive every way to another process."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

import pyscep
from pyscep import errors
from pyscep.errors import (
    CertificateMismatch,
    ChallengeReused,
    DecodeError,
    DecryptionFailed,
    DowngradeRefused,
    DuplicateAttribute,
    HttpError,
    KeyCapabilityError,
    LimitExceeded,
    MessageError,
    MissingAttribute,
    NonceMismatch,
    ProtocolError,
    ProviderUnavailable,
    RequestPending,
    RequestRefused,
    ScepError,
    SecurityError,
    SignatureInvalid,
    StoreError,
    TooManyPending,
    TransactionMismatch,
    TransportError,
    UnexpectedMessageType,
    UnsupportedError,
    UntrustedCa,
    UsageError,
    WeakAlgorithm,
)
from pyscep.messages import FailInfo

REFERENCE: dict[str, object] = {"reference": "RFC 8894 section 3.2"}

# Every class with all of its arguments but the text; what it does not get it does not have.
FACTS: dict[type[ScepError], dict[str, object]] = {
    ScepError: {},
    UsageError: {"argument": "key"},
    KeyCapabilityError: {"argument": "key"},
    ProtocolError: REFERENCE,
    DecodeError: {**REFERENCE, "offset": 17},
    LimitExceeded: {"limit": "depth", "value": 33},
    MessageError: REFERENCE,
    MissingAttribute: {**REFERENCE, "attribute": "pkiStatus"},
    DuplicateAttribute: {**REFERENCE, "attribute": "pkiStatus"},
    TransactionMismatch: {"expected": "a", "actual": "b"},
    NonceMismatch: REFERENCE,
    UnexpectedMessageType: {"actual": "18"},
    HttpError: {"status": 404, "content_type": "text/html", "excerpt": "<html>", "allow": "GET"},
    SecurityError: {},
    SignatureInvalid: {},
    UntrustedCa: {"expected": "a", "actual": "b"},
    CertificateMismatch: {},
    DecryptionFailed: {},
    ChallengeReused: {},
    DowngradeRefused: {"offered": ("DES3", "SHA-1"), "argument": "allow_legacy"},
    WeakAlgorithm: {"algorithm": "MD5", "argument": None},
    UnsupportedError: {"algorithm": "1.2.3", "provider": "oscrypto"},
    ProviderUnavailable: {},
    StoreError: {},
    TooManyPending: {"maximum": 7},
    TransportError: {"url": "http://ca.example/scep", "timed_out": True},
    RequestRefused: {"fail_info": 2, "fail_info_text": "no"},
    RequestPending: {"transaction_id": "a"},
}

# What is not given has these values.
DEFAULTS: dict[type[ScepError], dict[str, object]] = {
    UsageError: {"argument": None},
    ProtocolError: {"reference": None},
    DecodeError: {"reference": None, "offset": None},
    UntrustedCa: {"expected": None, "actual": None},
}

# The rule that some of them are always about.
FIXED = {
    TransactionMismatch: "RFC 8894 section 3.2.1.1",
    UnexpectedMessageType: "RFC 8894 section 3.2.1.2",
    HttpError: "RFC 8894 section 4.1",
    LimitExceeded: None,
}

HINTS = {
    NonceMismatch: FailInfo.BAD_MESSAGE_CHECK,
    SignatureInvalid: FailInfo.BAD_MESSAGE_CHECK,
    CertificateMismatch: FailInfo.BAD_CERT_ID,
    WeakAlgorithm: FailInfo.BAD_ALG,
    UnsupportedError: FailInfo.BAD_ALG,
    KeyCapabilityError: FailInfo.BAD_ALG,
}

# These have one text of their own.
WORDLESS = (DecryptionFailed, ChallengeReused, TooManyPending)

TEXT = "What was wrong, and what to do."


def make(kind: type[ScepError]) -> ScepError:
    error: Any = kind
    text = () if kind in WORDLESS else (TEXT,)
    made: ScepError = error(*text, **FACTS[kind])
    return made


def descendants(kind: type[ScepError]) -> Iterator[type[ScepError]]:
    for child in kind.__subclasses__():
        if child.__module__.startswith("pyscep."):
            yield child
            yield from descendants(child)


every = pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.__name__)


def test_table_has_every_error() -> None:
    public = {kind for kind in vars(errors).values() if inspect.isclass(kind)} - {Any}

    assert set(FACTS) == public
    assert public <= {ScepError, *descendants(ScepError)}


def test_errors_of_other_modules_are_pickled_too() -> None:
    """Subclasses that a module keeps for itself."""
    for module in pkgutil.iter_modules(pyscep.__path__):
        if module.name != "__main__":
            importlib.import_module(f"pyscep.{module.name}")
    private = {*descendants(ScepError)} - set(FACTS)

    assert private
    for kind in private:
        parent = next(each for each in kind.__mro__ if each in FACTS)
        error: Any = kind
        made = error(TEXT, **FACTS[parent])
        assert pickle.loads(pickle.dumps(made)).__dict__ == made.__dict__  # noqa: S301


@every
def test_facts_are_attributes(kind: type[ScepError]) -> None:
    made = make(kind)

    assert {name: getattr(made, name) for name in FACTS[kind]} == FACTS[kind]
    assert str(made) == (str(make(kind)) if kind in WORDLESS else TEXT)
    if kind in FIXED:
        assert getattr(made, "reference", "") == FIXED[kind]


@pytest.mark.parametrize("kind", DEFAULTS, ids=lambda kind: kind.__name__)
def test_facts_may_be_unknown(kind: type[ScepError]) -> None:
    assert vars(kind(TEXT)) == DEFAULTS[kind]


@every
@pytest.mark.parametrize(
    "send",
    [
        *(
            lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))  # noqa: S301
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
        copy.copy,
        copy.deepcopy,
    ],
)
def test_error_survives(kind: type[ScepError], send: Any) -> None:
    made = make(kind)

    arrived = send(made)

    assert type(arrived) is kind
    assert arrived is not made
    assert arrived.args == made.args
    assert str(arrived) == str(made)
    assert vars(arrived) == vars(made)
    with pytest.raises(kind):
        raise arrived


def test_notes_survive_too() -> None:
    made = make(MessageError)
    made.__dict__["__notes__"] = ["in the third attempt"]

    assert vars(pickle.loads(pickle.dumps(made)))["__notes__"] == ["in the third attempt"]  # noqa: S301


@every
@pytest.mark.conforms("A-15")
def test_server_is_told_what_to_answer(kind: type[ScepError]) -> None:
    assert kind.fail_info_hint == HINTS.get(kind, FailInfo.BAD_REQUEST).value
    assert kind.http_status_hint in (400, 413, 500, 503)


@pytest.mark.conforms("S-06", "S-07", "E-16")
def test_failed_decryption_has_one_text_and_no_arguments() -> None:
    assert str(DecryptionFailed()) == DecryptionFailed.TEXT
    assert vars(DecryptionFailed()) == {}
    with pytest.raises(TypeError):
        DecryptionFailed("because of the padding")  # type: ignore[call-arg]


def test_http_status_hints() -> None:
    assert LimitExceeded.http_status_hint == 413
    assert ProtocolError.http_status_hint == SecurityError.http_status_hint == 400
    assert UsageError.http_status_hint == 500


def drawn() -> dict[str, str]:
    """Return each class in the drawing of the module's docstring, with the one above it."""
    above: list[str] = []
    found = {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line):
            depth = len(match.group(1)) // 3
            above[depth:] = [match.group(2)]
            found[match.group(2)] = above[depth - 1] if depth else "Exception"
    return found


def test_drawing_is_the_tree() -> None:
    assert drawn() == {kind.__name__: kind.__bases__[0].__name__ for kind in FACTS}
