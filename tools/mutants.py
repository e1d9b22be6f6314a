"""Changes the core in some thousand small ways, and sees which of them no test notices.

mutmut makes the mutants. It would also run them, by a pytest of its own for each, which spends
nearly all its time on collecting the same tests again. Here they are collected once, run once to
see which of them reach which function, and then a fork of this process runs for each mutant what
reaches its function, until the first test fails. Forks without a mutant, before and in between,
and one with a mutant that always fails, show that a fork tells the truth.

What to change and which tests to run is in setup.cfg, under ``[mutmut]``. Arguments are patterns
of names, such as ``'pyscep.ca.*'``: those mutants are tried. Without arguments, all are that have
not been killed, by this run or one before, and those in functions that were changed since. What
was killed is kept in ``mutants/``; delete that to begin anew.
"""

from __future__ import annotations

import fnmatch
import gc
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from mutmut.__main__ import (
    copy_also_copy_files,
    copy_src_dir,
    create_mutants,
    setup_source_paths,
    store_lines_covered_by_tests,
)
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.file_utils import walk_mutatable_files

SURVIVED, KILLED, NOT_TESTED, SUSPICIOUS = 0, 1, 33, 35
"""What mutmut calls so, as it stands in its files."""
SECONDS = 60
"""Processor time of a fork, besides twenty times that of its tests; a mutant may not end."""


class Mutants:
    """A pytest plugin that runs the tests for every mutant instead of once."""

    def __init__(self, files: Sequence[SourceFileMutationData], patterns: Sequence[str]) -> None:
        self.files = files
        self.todo = [
            (file, name)
            for file in files
            for name, result in file.exit_code_by_key.items()
            if (any(fnmatch.fnmatch(name, p) for p in patterns) if patterns else result != KILLED)
        ]
        self.reaching: defaultdict[str, list[pytest.Item]] = defaultdict(list)
        self.seconds: dict[str, float] = {}
        self.killers: defaultdict[str, list[pytest.Item]] = defaultdict(list)
        self.running: dict[int, tuple[SourceFileMutationData, str, int, float]] = {}
        self.items: dict[str, pytest.Item] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try every mutant that is to be tried."""
        if session.testsfailed or not session.items:
            return True
        self.items = {item.nodeid: item for item in session.items}
        if not self.see_what_reaches_what(session):
            print("\nThe tests fail without any change; nothing was tried.")
            return True
        # What is there already need not be copied into every fork.
        gc.freeze()
        self.check_fork(session, "", session.items, SURVIVED)
        self.check_fork(session, "fail", session.items, KILLED)
        known = sum(len(file.exit_code_by_key) for file in self.files)
        print(f"\n{len(self.todo)} of {known} mutants are to be tried.", flush=True)
        for done, (file, name) in enumerate(self.todo):
            function = name.partition("__mutmut_")[0]
            if not self.reaching[function]:
                file.exit_code_by_key[name] = NOT_TESTED
                continue
            while len(self.running) > (os.cpu_count() or 1):
                self.reap()
            pid, pipe = self.fork(session, name, self.in_order(function))
            self.running[pid] = file, name, pipe, time.monotonic()
            if done % 100 == 99:
                self.save()
                print(f"{done + 1} tried", flush=True)
            if done % 500 == 499:
                # What went wrong in this process would fail the tests of every fork.
                self.check_fork(session, "", self.in_order(function), SURVIVED)
        while self.running:
            self.reap()
        self.save()
        self.check_fork(session, "", session.items, SURVIVED)
        return True

    def see_what_reaches_what(self, session: pytest.Session) -> bool:
        """Run all tests, note which functions each one calls, and return whether all pass."""
        set_mutant_under_test("stats")
        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            began = time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            self.seconds[item.nodeid] = time.process_time() - began
            for function in state()._stats:  # noqa: SLF001  # where mutmut itself looks
                self.reaching[function].append(item)
            state()._stats.clear()  # noqa: SLF001
        return not session.testsfailed

    def in_order(self, function: str) -> list[pytest.Item]:
        """Return the tests of a function: first those that killed its mutants, then by time."""
        killers = self.killers[function]
        others = [item for item in self.reaching[function] if item not in killers]
        return [*killers, *sorted(others, key=lambda item: self.seconds[item.nodeid])]

    def fork(
        self, session: pytest.Session, mutant: str, items: Sequence[pytest.Item]
    ) -> tuple[int, int]:
        """Run tests until one fails; its name comes through the pipe that is returned."""
        reader, writer = os.pipe()
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            os.close(writer)
            return pid, reader
        code = SUSPICIOUS
        try:
            for stream in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
            allowed = SECONDS + int(20 * sum(self.seconds[item.nodeid] for item in items))
            resource.setrlimit(resource.RLIMIT_CPU, (allowed, allowed + 1))
            set_mutant_under_test(mutant)
            code = SURVIVED
            for item, following in zip(items, [*items[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.testsfailed:
                    os.write(writer, item.nodeid.encode())
                    code = KILLED
                    break
        finally:
            os._exit(code)

    def check_fork(
        self, session: pytest.Session, mutant: str, items: Sequence[pytest.Item], code: int
    ) -> None:
        """Make sure that a fork does what it has to, whatever happened in this process before."""
        pid, pipe = self.fork(session, mutant, items)
        _, status = os.waitpid(pid, 0)
        with os.fdopen(pipe, "rb") as stream:
            failed = stream.read().decode()
        if os.waitstatus_to_exitcode(status) != code:
            raise RuntimeError(f"A fork with {mutant or 'no'} mutant is wrong: {failed or status}.")

    def reap(self) -> None:
        """Wait for a fork to end, and note what became of its mutant."""
        pid, status = os.waitpid(-1, 0)
        file, name, pipe, began = self.running.pop(pid)
        with os.fdopen(pipe, "rb") as stream:
            killer = self.items.get(stream.read().decode())
        file.exit_code_by_key[name] = os.waitstatus_to_exitcode(status)
        file.durations_by_key[name] = time.monotonic() - began
        if killer is not None:
            killers = self.killers[name.partition("__mutmut_")[0]]
            if killer in killers:
                killers.remove(killer)
            killers.insert(0, killer)

    def save(self) -> None:
        """Write the results to where mutmut has them."""
        for file in self.files:
            file.save()


def generate() -> list[SourceFileMutationData]:
    """Let mutmut write the mutants, and return its files of results."""
    Path("mutants").mkdir(exist_ok=True)
    set_mutant_under_test("mutant_generation")
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    store_lines_covered_by_tests()
    create_mutants(os.cpu_count() or 1)
    files = []
    for path in walk_mutatable_files():
        file = SourceFileMutationData(path=path)
        file.load()
        # The tests run in mutants/.
        file.meta_path = file.meta_path.resolve()
        files.append(file)
    return files


def main() -> int:
    """Try mutants, and print those that no test noticed."""
    files = generate()
    mutants = Mutants(files, sys.argv[1:])
    os.chdir("mutants")
    arguments = config().pytest_add_cli_args
    selection = config().pytest_add_cli_args_test_selection
    status = pytest.main(
        # A report of how a test failed, with its source, costs more than most tests.
        ["--rootdir=.", "-qxs", "--tb=native", "--assert=plain", *arguments, *selection],
        plugins=[mutants],
    )
    results = {name: code for file in files for name, code in file.exit_code_by_key.items()}
    for name, code in results.items():
        if code not in (KILLED, None):
            print({SURVIVED: "survived", NOT_TESTED: "not reached"}.get(code, f"exit {code}"), name)
    print(f"{list(results.values()).count(KILLED)} of {len(results)} mutants were killed.")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
