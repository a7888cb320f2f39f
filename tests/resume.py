"""A pytest plugin for a suite of hours: what has passed is kept for exactly these sources, and the next call goes on.

    python -m pytest -p tests.resume tests/deploy tests/engine

With MINUTES in the environment no test begins after so many minutes. The exit code is 0 when every test has passed, in this
call or an earlier one. `--cache-clear` forgets what has passed.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.table import aligned

KEY = "openbell/passed"  # of pytest's cache
PASSED, ALL = "openbell_passed", "openbell_all"  # what a worker of pytest-xdist is given, and what it gives back
PLUGIN = "openbell-resume"


def sources(root: Path) -> str:
    """Return a hash of all files that git does not ignore, as they are now; an empty text without git."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"GIT_INDEX_FILE": f"{folder}/index"}
        try:
            for words in (("read-tree", "HEAD"), ("add", "--all"), ("write-tree",)):
                done = subprocess.run(
                    ("git", *words), cwd=root, env=environment, check=True, capture_output=True, text=True
                )
        except (OSError, subprocess.CalledProcessError):
            return ""
    return done.stdout.strip()


@dataclass
class Progress:
    """The tests of a suite: those that have passed for these sources, and what this call has added."""

    of: str = ""  # the sources
    seconds: dict[str, float] = field(default_factory=dict)  # of the tests that have passed, by their ids
    failed: set[str] = field(default_factory=set)
    ids: tuple[str, ...] = ()  # of all tests
    taken: dict[str, float] = field(default_factory=dict)  # seconds of the tests under way
    clean: set[str] = field(default_factory=set)  # tests whose call has succeeded

    def note(self, report: pytest.TestReport) -> bool:
        """Take one phase of a test; tell whether the test has passed with it."""
        self.taken[report.nodeid] = self.taken.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.when == "call" and report.passed:
            self.clean.add(report.nodeid)
        if report.when != "teardown" or report.nodeid not in self.clean - self.failed:
            return False
        self.seconds[report.nodeid] = round(self.taken[report.nodeid], 1)
        return True

    @property
    def left(self) -> list[str]:
        """The tests that have not passed."""
        return [one for one in self.ids if one not in self.seconds]

    def table(self) -> str:
        """Return a line for each file: how many of its tests have passed, failed, are still to run; and a line for all."""
        rows = [self._row(file, [one for one in self.ids if file_of(one) == file]) for file in self._files()]
        return aligned([("", "PASSED", "FAILED", "TO RUN", "SECONDS"), *rows, self._row("all", self.ids)])

    def _files(self) -> list[str]:
        return sorted({file_of(one) for one in self.ids})

    def _row(self, name: str, ids: Iterable[str]) -> tuple[str, str, str, str, str]:
        own = list(ids)
        passed, failed = [one for one in own if one in self.seconds], [one for one in own if one in self.failed]
        seconds = sum(self.seconds[one] for one in passed)
        return name, str(len(passed)), str(len(failed)), str(len(own) - len(passed) - len(failed)), f"{seconds:.0f}"


def file_of(test: str) -> str:
    """Return the file of a test's id."""
    return test.partition("::")[0]


class Resume:
    """The hooks, in the process that sums up and in its workers."""

    def __init__(self, config: pytest.Config) -> None:
        given = getattr(config, "workerinput", None)
        self.config, self.is_worker = config, given is not None
        self.cache: pytest.Cache | None = getattr(config, "cache", None)
        minutes = os.environ.get("MINUTES", "")
        self.end = time.monotonic() + float(minutes) * 60 if minutes else float("inf")
        self.progress = Progress()
        if given is not None:
            self.progress.seconds = dict(given[PASSED])
        elif (found := sources(config.rootpath)) and self.cache is not None:
            self.progress.of = found
            kept = self.cache.get(KEY, {})
            if isinstance(kept, Mapping) and kept.get("of") == found:
                self.progress.seconds = dict(kept["seconds"])

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        """Tell a worker what has passed: all workers must collect the same."""
        node.workerinput[PASSED] = dict(self.progress.seconds)  # type: ignore[attr-defined] # xdist has no types

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what has passed."""
        self.progress.ids = tuple(item.nodeid for item in items)
        if self.is_worker:
            self.config.workeroutput[ALL] = list(self.progress.ids)  # type: ignore[attr-defined] # xdist's
        items[:] = [item for item in items if item.nodeid not in self.progress.seconds]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Learn from a worker which tests there are."""
        self.progress.ids = tuple(getattr(node, "workeroutput", {}).get(ALL, self.progress.ids))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self) -> bool | None:
        """Begin no test when the time is over."""
        return True if time.monotonic() > self.end else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what has passed, at once."""
        if not self.is_worker and self.progress.note(report) and self.progress.of and self.cache is not None:
            self.cache.set(KEY, {"of": self.progress.of, "seconds": self.progress.seconds})

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """End well only if every test has passed, whenever that was."""
        if self.is_worker or exitstatus not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            return
        over = bool(self.progress.ids) and not self.progress.left
        session.exitstatus = pytest.ExitCode.OK if over else pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, and what to do when some tests are left."""
        terminalreporter.write_line(self.progress.table())
        if left := len(self.progress.left):
            kept = "run the command again for them" if self.progress.of else "without git nothing is kept"
            terminalreporter.write_line(f"{left} tests have not passed yet: {kept}")


def pytest_configure(config: pytest.Config) -> None:
    """Take part."""
    config.pluginmanager.register(Resume(config), PLUGIN)
