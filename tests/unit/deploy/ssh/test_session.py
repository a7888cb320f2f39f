"""The process on a host that answers all commands of a connection; here it is a child of the test."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

import pytest

from deploy.ssh import session
from deploy.ssh.session import Answer, Session, SessionEndedError
from tests.engine.kit import wait_until

ECHO = """\
import json, sys, time
for line in sys.stdin:
    if line == "alive\\n":
        print(json.dumps({"code": 0, "out": "alive", "err": ""}), flush=True)
        continue
    words = json.loads(line)["words"]
    if words == ["end"]:
        sys.exit("openbell: it is over")
    time.sleep(60 if words == ["sleep"] else 0)
    print(json.dumps({"code": len(words), "out": words[0], "err": json.loads(line)["input"]}), flush=True)
"""


@contextmanager
def running() -> Iterator[tuple[Session, "subprocess.Popen[bytes]"]]:
    """Give a session with a process that answers with what it was asked."""
    pipe = subprocess.PIPE
    said = TemporaryFile()  # noqa: SIM115 - the session's to close
    process = subprocess.Popen((sys.executable, "-c", ECHO), stdin=pipe, stdout=pipe, stderr=said)
    one = Session(process, said)
    try:
        yield one, process
    finally:
        one.end()


def test_each_command_gets_its_own_answer() -> None:
    """Also those that are asked at the same time, and whatever is in their words."""
    found: list[Answer] = []
    with running() as (one, _):
        threads = [
            threading.Thread(target=lambda n=number: found.append(one.ask((f"é\n{n}",), "in", 20)))
            for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert {answer.out for answer in found} == {f"é\n{number}" for number in range(8)}
    assert {(answer.code, answer.err) for answer in found} == {(1, "in")}


def test_a_command_without_an_answer_ends_the_session() -> None:
    """Its answer could be taken for the next one's."""
    with running() as (one, process):
        with pytest.raises(TimeoutError):
            one.ask(("sleep",), "", 0.2)
        assert one.is_over
        assert process.poll() is not None


def test_a_process_that_ends_says_why() -> None:
    """With its exit code."""
    with running() as (one, _), pytest.raises(SessionEndedError, match=r"^openbell: it is over$") as ended:
        one.ask(("end",), "", 20)
    assert ended.value.code == 1


def test_the_host_hears_that_this_end_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """It frees its lock when it has heard nothing for a while."""
    monkeypatch.setattr(session, "ALIVE_EVERY", 0.01)
    with running() as (one, _):
        assert one.ask(("anything",), "", 20).out in {"alive", "anything"}
        assert wait_until(lambda: one.ask(("anything",), "", 20).out == "alive", "a sign of life", 20)


def test_nothing_is_left_of_a_session() -> None:
    """Neither its process nor what it has said."""
    with running() as (one, process):
        one.end()
        assert process.poll() is not None
        one.end()
        assert one.is_over
