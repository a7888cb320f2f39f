"""A host is connected to while something else is done."""

import threading

import pytest

from deploy.errors import CommandError
from deploy.hosts import facts
from deploy.hosts.facts import Facts
from deploy.ssh.connection import Connection
from deploy.ssh.host import Host

WITHIN = 30  # seconds


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return what is set when the connection, which leads nowhere, is closed."""
    event = threading.Event()
    monkeypatch.setattr(Connection, "open", lambda self: self)
    monkeypatch.setattr(Connection, "close", lambda _: event.set())
    return event


def test_what_the_host_is_is_there_when_it_is_asked_for(
    closed: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was looked at meanwhile, and the connection is open until the block ends."""
    looked = threading.Event()

    def look(_: Connection) -> Facts:
        looked.set()
        return Facts(machine="x86_64")

    monkeypatch.setattr(facts, "read_facts", look)
    with facts.EarlyFacts(Host("vps")) as host:
        assert looked.wait(WITHIN)
        assert host.result()[1].machine == "x86_64"
        assert not closed.is_set()
    assert closed.is_set()


def test_why_there_is_no_connection_is_told_where_the_result_is_asked_for(
    closed: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before: what is checked meanwhile may be what is wrong."""

    def fail(_: Connection) -> Facts:
        msg = "vps: no route"
        raise CommandError(msg)

    monkeypatch.setattr(facts, "read_facts", fail)
    with facts.EarlyFacts(Host("vps")) as host, pytest.raises(CommandError, match="vps: no route"):
        host.result()
    assert closed.is_set()


def test_a_host_that_does_not_answer_delays_no_other_error(
    closed: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection goes with the process then."""
    go = threading.Event()
    monkeypatch.setattr(facts, "read_facts", lambda _: go.wait(WITHIN) and Facts())
    monkeypatch.setattr(facts, "ENDS_WITHIN", 0.01)

    def refuse() -> None:
        with facts.EarlyFacts(Host("vps")):
            msg = "a manifest is not valid"
            raise CommandError(msg)

    with pytest.raises(CommandError, match="not valid"):
        refuse()
    assert not closed.is_set()
    go.set()
