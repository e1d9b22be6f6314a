"""What holds for every test: real peers on request, nothing leaves the machine, markers."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tools import conformance

pytest.register_assert_rewrite("tests.helpers")

# The clock of a busy machine is no reason to fail; a failing example is printed for replay.
hypothesis.settings.register_profile("pyscep", deadline=None, print_blob=True)
hypothesis.settings.load_profile("pyscep")

INTEROP = Path(__file__).parent / "interop"
ENVIRONMENT_OF_HTTP = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--require-peers``."""
    parser.addoption(
        "--require-peers",
        action="store_true",
        help="a test under tests/interop that is skipped counts as failed",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers of the project."""
    config.addinivalue_line(
        "markers",
        "conforms(*ids): the test proves these items of the conformance checklist, such as M-32",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a ``conforms`` marker with an ID that the checklist does not have."""
    known = conformance.identifiers()
    for item in items:
        for marker in item.iter_markers("conforms"):
            unknown = [str(identifier) for identifier in marker.args if identifier not in known]
            if unknown or not marker.args:
                what = ", ".join(unknown) or "nothing"
                raise pytest.UsageError(
                    f"{item.nodeid} is marked with {what}, which is not in the checklist"
                )


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport, path: Path) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and path.is_relative_to(INTEROP):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"--require-peers was given, but: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skips of interop tests into failures if peers are required."""
    report = yield
    if item.config.getoption("--require-peers"):
        _refuse_skip(report, item.path)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same for whole modules that are skipped while they are imported."""
    report = yield
    if collector.config.getoption("--require-peers"):
        _refuse_skip(report, collector.path)
    return report


class OutsideConnectionError(RuntimeError):
    """A test tried to reach something that is not on this machine.

    Not an OSError on purpose: what is tested maps those, and the attempt would pass unnoticed.
    """


def _refuse_outside(address: object) -> None:
    if not isinstance(address, tuple):
        return  # a Unix socket
    host = str(address[0]).partition("%")[0]
    if host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise OutsideConnectionError(
            f"tests use the loopback addresses only, not {host!r}; start the peer on 127.0.0.1"
        )


def _guarded(original: Callable[..., Any], position: int) -> Callable[..., Any]:
    def guarded(*arguments: Any) -> Any:
        _refuse_outside(arguments[position])
        return original(*arguments)

    return guarded


def _guarded_lookup(original: Callable[..., Any]) -> Callable[..., Any]:
    def getaddrinfo(host: str | bytes | None, *arguments: Any, **options: Any) -> Any:
        if host:
            name = host.decode() if isinstance(host, bytes) else host
            _refuse_outside((name,))
        return original(host, *arguments, **options)

    return getaddrinfo


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Refuse every socket and name look-up that leaves this machine, in all tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "bind"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name), 1))
        patch.setattr(socket.socket, "sendto", _guarded(socket.socket.sendto, -1))
        patch.setattr(socket, "getaddrinfo", _guarded_lookup(socket.getaddrinfo))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_http_settings_from_outside() -> Iterator[None]:
    """Take away what the environment would tell requests: proxies, bundles of certificates."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ENVIRONMENT_OF_HTTP:
            patch.delenv(name, raising=False)
            patch.delenv(name.lower(), raising=False)
        yield
