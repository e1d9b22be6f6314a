"""The guards of tests/conftest.py can fail: loopback only, peers required, IDs known."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# Reserved for documentation; the guard refuses before anything is sent.
OUTSIDE = ("192.0.2.1", 80)

SKIPS = """
import pytest
def test_peer(): pytest.skip("no peer here")
"""
SKIPS_WHOLE_MODULE = """
import pytest
pytest.skip("no peer here", allow_module_level=True)
"""


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: socket.create_connection(OUTSIDE),
        lambda: socket.socket().connect(OUTSIDE),
        lambda: socket.socket().connect_ex(OUTSIDE),
        lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"", OUTSIDE),
        lambda: socket.socket().bind(("0.0.0.0", 0)),  # noqa: S104  # refused
        lambda: socket.socket(socket.AF_INET6).bind(("::", 0)),
        lambda: socket.getaddrinfo("ca.example", 80),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_nothing_leaves_this_machine(attempt: Callable[[], object]) -> None:
    with pytest.raises(RuntimeError, match="loopback addresses only"):
        attempt()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_allowed(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((host, port), timeout=5):
            pass


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    shutil.copy(TESTS / "conftest.py", pytester.path)
    for folder in ("interop", "unit"):
        pytester.mkdir(folder)
    return pytester


@pytest.mark.parametrize("text", [SKIPS, SKIPS_WHOLE_MODULE])
@pytest.mark.parametrize("folder", ["interop", "unit"])
@pytest.mark.parametrize("arguments", [[], ["--require-peers"]])
def test_missing_peer(
    project: pytest.Pytester, text: str, folder: str, arguments: list[str]
) -> None:
    (project.path / folder / "test_peer.py").write_text(text)
    outcome = project.runpytest_inprocess(*arguments)
    counts = outcome.parseoutcomes()
    # An installation in place may be found twice, which pytest warns of.
    counts.pop("warnings", None)
    if folder == "interop" and arguments:
        assert outcome.ret != 0
        assert counts.get("failed", 0) + counts.get("errors", 0) == 1
        outcome.stdout.fnmatch_lines(["*--require-peers was given, but: *no peer here*"])
    else:
        assert counts == {"skipped": 1}


@pytest.mark.parametrize(("mark", "known"), [('"M-01"', True), ('"M-00"', False), ("", False)])
def test_conforms_marker(project: pytest.Pytester, mark: str, known: bool) -> None:
    project.makepyfile(f"import pytest\n@pytest.mark.conforms({mark})\ndef test_it(): pass\n")
    outcome = project.runpytest_inprocess("--strict-markers")
    assert (outcome.ret == 0) is known
    if not known:
        outcome.stderr.fnmatch_lines(["*test_it is marked with * not in the checklist*"])
