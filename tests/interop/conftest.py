"""Fixtures for the real third-party servers: one of each per test run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import NoReturn

import pytest

from tests.interop import servers
from tests.interop.servers import Peer, PeerUnavailable


def _unavailable(config: pytest.Config, reason: PeerUnavailable) -> NoReturn:
    """Skip, unless the run is to prove that everything was tested."""
    if config.getoption("--require-peers"):
        pytest.fail(f"--require-peers was given, but: {reason}", pytrace=False)
    pytest.skip(str(reason))


def _start(request: pytest.FixtureRequest, peer: AbstractContextManager[Peer]) -> Iterator[Peer]:
    with ExitStack() as stack:
        try:
            started = stack.enter_context(peer)
        except PeerUnavailable as reason:
            _unavailable(request.config, reason)
        yield started


@pytest.fixture(scope="session")
def find_tool(pytestconfig: pytest.Config) -> Callable[[str], str]:
    """Return how to find a program: a missing one skips the test, or fails it in CI."""

    def find(name: str) -> str:
        try:
            return servers.find_tool(name)
        except PeerUnavailable as reason:
            _unavailable(pytestconfig, reason)

    return find


@pytest.fixture(scope="session")
def scepserver(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Peer]:
    """Start Debian's scepserver as it comes: DES, SHA-1, one bare CA certificate."""
    yield from _start(request, servers.scepserver(tmp_path_factory.mktemp("scepserver")))


@pytest.fixture(scope="session")
def labscep_aes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Peer]:
    """Start micromdm's service with AES-128 and SHA-256: one bare CA certificate."""
    yield from _start(request, servers.labscep(tmp_path_factory.mktemp("labscep_aes")))


@pytest.fixture(scope="session")
def labscep_ra(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Peer]:
    """Start it with an RA certificate: GetCACert is the RA and the CA that issued it."""
    yield from _start(request, servers.labscep(tmp_path_factory.mktemp("labscep_ra"), ra=True))


@pytest.fixture(scope="session")
def labscep_get_only(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Peer]:
    """Start it without RA, neither promising nor taking POST."""
    folder = tmp_path_factory.mktemp("labscep_get_only")
    yield from _start(request, servers.labscep(folder, caps=servers.GET_ONLY_CAPABILITIES))


@pytest.fixture(scope="session")
def stepca(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Peer]:
    """Start smallstep's step-ca with AES-128: an intermediate below a root, POST only."""
    yield from _start(request, servers.stepca(tmp_path_factory.mktemp("stepca")))
