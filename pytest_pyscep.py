"""Fixtures for test suites that speak SCEP; loaded by pytest when pyscep is installed.

``scep_server`` is a running server on loopback that is right until ``misbehave()`` says otherwise,
and everything it is made of is a fixture that a test suite may override: ``scep_ca``,
``scep_handler``, ``scep_challenge_password``, ``scep_now``, ``scep_profile``, ``scep_faults``,
``scep_responder``, ``scep_server_factory``.

This module stands outside the package, as pytest loads it in every run on a machine that has
pyscep, and the package takes a tenth of a second to import: fixtures import what they need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from datetime import datetime

    from pyscep.handlers import RequestHandler
    from pyscep.responder import Responder
    from pyscep.testing import EphemeralCa, Fault, MisbehavingServer
    from pyscep.testing.key_pool import KeyPool
    from pyscep.testing.profiles import Profile


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose profile, faults, handler and challenge for a whole run."""
    group = parser.getgroup("scep", "SCEP test server")
    group.addoption(
        "--scep-profile",
        metavar="NAME",
        help="imitate this server, such as ndes or step_ca (default: the standard itself)",
    )
    group.addoption(
        "--scep-fault",
        metavar="NAME",
        action="append",
        default=[],
        help="switch this fault on from the start, such as WRONG_RECIPIENT_NONCE; may be repeated",
    )
    group.addoption(
        "--scep-handler",
        metavar="NAME",
        default="challenge",
        help="who gets a certificate: whoever has the challenge password (challenge), whoever is "
        "approved (approval), or what a handler of yours says (package.module:name; default: "
        "%(default)s)",
    )
    group.addoption(
        "--scep-challenge",
        metavar="TEXT",
        default="challenge",
        help="the challenge password that the server accepts (default: %(default)s)",
    )


@pytest.fixture(scope="session")
def scep_keys() -> KeyPool:
    """Return the keys of all CAs, each made once, as that takes longer than most tests."""
    from pyscep.testing.key_pool import KeyPool  # noqa: PLC0415

    return KeyPool()


@pytest.fixture
def scep_now() -> Callable[[], datetime]:
    """Return the server's clock; override it to travel in time."""
    from datetime import datetime, timezone  # noqa: PLC0415

    return lambda: datetime.now(timezone.utc)  # noqa: TID251  # a test's clock is the present


@pytest.fixture
def scep_profile(request: pytest.FixtureRequest) -> Profile:
    """Return the server to imitate; from ``--scep-profile``."""
    from pyscep.testing.profiles import STANDARD, find_profile  # noqa: PLC0415

    name = request.config.getoption("--scep-profile")
    return STANDARD if name is None else find_profile(name)


@pytest.fixture
def scep_faults(request: pytest.FixtureRequest) -> tuple[Fault, ...]:
    """Return the faults that are on from the start; from ``--scep-fault``."""
    from pyscep.testing.faults import find_fault  # noqa: PLC0415

    return tuple(find_fault(name) for name in request.config.getoption("--scep-fault"))


@pytest.fixture
def scep_challenge_password(request: pytest.FixtureRequest) -> str:
    """Return the challenge password that the server accepts; from ``--scep-challenge``."""
    challenge: str = request.config.getoption("--scep-challenge")
    return challenge


@pytest.fixture
def scep_handler(request: pytest.FixtureRequest, scep_challenge_password: str) -> RequestHandler:
    """Say who gets a certificate; from ``--scep-handler``."""
    from pyscep.handlers import ApprovalHandler, static_challenge  # noqa: PLC0415

    by_challenge = static_challenge(scep_challenge_password)
    name = request.config.getoption("--scep-handler")
    if name == "challenge":
        return by_challenge
    if name == "approval":
        return ApprovalHandler(handler=by_challenge)
    return _import_handler(name)


def _import_handler(name: str) -> RequestHandler:
    from pkgutil import resolve_name  # noqa: PLC0415

    try:
        handler = resolve_name(name) if ":" in name else None
    except (ImportError, AttributeError, ValueError) as error:
        raise pytest.UsageError(f"--scep-handler={name} cannot be imported: {error}") from error
    if not hasattr(handler, "decide"):
        raise pytest.UsageError(
            f"--scep-handler={name} is no handler; use challenge, approval, or package.module:name "
            "of an object with a method decide."
        )
    found: RequestHandler = handler  # type: ignore[assignment]  # it has what is needed
    return found


@pytest.fixture
def scep_ca(
    scep_keys: KeyPool, scep_now: Callable[[], datetime], scep_profile: Profile
) -> EphemeralCa:
    """Make a CA of this test's own."""
    return scep_profile.make_authority(now=scep_now(), provider=scep_keys.provider())


@pytest.fixture
def scep_responder(
    scep_ca: EphemeralCa,
    scep_handler: RequestHandler,
    scep_now: Callable[[], datetime],
    scep_profile: Profile,
) -> Responder:
    """Return the server side without a network."""
    from pyscep.memory_store import MemoryStore  # noqa: PLC0415

    return scep_profile.make_responder(
        authority=scep_ca, handler=scep_handler, store=MemoryStore(), now=scep_now
    )


@pytest.fixture
def scep_server_factory(
    scep_profile: Profile,
) -> Iterator[Callable[[Responder], MisbehavingServer]]:
    """Start any number of servers; they are stopped when the test ends."""
    from contextlib import ExitStack  # noqa: PLC0415

    from pyscep.testing.profiles import ProfileServer  # noqa: PLC0415

    with ExitStack() as stack:

        def start(responder: Responder) -> MisbehavingServer:
            return stack.enter_context(ProfileServer(responder, scep_profile))

        yield start


@pytest.fixture
def scep_server(
    scep_server_factory: Callable[[Responder], MisbehavingServer],
    scep_responder: Responder,
    scep_faults: tuple[Fault, ...],
) -> MisbehavingServer:
    """Start a SCEP server on loopback: ``url``, ``log``, ``misbehave()``, ``check()``."""
    server = scep_server_factory(scep_responder)
    server.misbehave(*scep_faults)
    return server
