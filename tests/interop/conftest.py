"""Fixtures for the real third-party servers: one of each per test run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from tests.interop import clients, servers
from tests.interop.clients import (
    Certmonger,
    CertmongerDaemon,
    OldPyScep,
    ScepClient,
    ScepSubmit,
    StrongSwan,
)
from tests.interop.servers import Peer, PeerUnavailable


def _unavailable(config: pytest.Config, reason: PeerUnavailable) -> NoReturn:
    """Skip, unless the run is to prove that everything was tested."""
    if config.getoption("--require-peers"):
        pytest.fail(f"--require-peers was given, but: {reason}", pytrace=False)
    pytest.skip(str(reason))


P = TypeVar("P")


def _start(request: pytest.FixtureRequest, peer: AbstractContextManager[P]) -> Iterator[P]:
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


# ---------------------------------------------------------------------------------------- clients


@pytest.fixture
def scepclient(find_tool: Callable[[str], str], tmp_path: Path) -> ScepClient:
    """Give micromdm's client."""
    find_tool("scepclient")
    return ScepClient(_folder(tmp_path, "scepclient"))


@pytest.fixture
def strongswan(find_tool: Callable[[str], str], tmp_path: Path) -> StrongSwan:
    """Give strongSwan's ``pki``, as it is without options."""
    find_tool("pki")
    return StrongSwan(_folder(tmp_path, "strongswan"))


@pytest.fixture(scope="session")
def certmonger_daemon(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CertmongerDaemon]:
    """Start certmonger's daemon on a message bus of its own."""
    yield from _start(request, clients.certmonger(tmp_path_factory.mktemp("certmonger")))


@pytest.fixture
def certmonger(certmonger_daemon: CertmongerDaemon) -> Certmonger:
    """Give a request of the daemon that has not been made yet."""
    return Certmonger(certmonger_daemon)


@pytest.fixture
def scep_submit(find_tool: Callable[[str], str], tmp_path: Path) -> ScepSubmit:
    """Give certmonger's helper."""
    find_tool("scep-submit")
    return ScepSubmit(_folder(tmp_path, "scep_submit"))


@pytest.fixture
def old_pyscep(pytestconfig: pytest.Config, tmp_path: Path) -> OldPyScep:
    """Give PyScep 0.0.14 in its own environment."""
    try:
        return OldPyScep(_folder(tmp_path, "old_pyscep"), clients.find_old_pyscep())
    except PeerUnavailable as reason:
        _unavailable(pytestconfig, reason)


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
