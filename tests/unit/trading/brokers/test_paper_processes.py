"""The paper account under several processes at once, as the runs of a strategy are."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from openbell.trading.brokers import Order, PlacedOrder
from openbell.trading.brokers.paper import FILE, PaperBroker
from tests.fake_trading import FakeMarket

NOW = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)
PROCESSES = 8
# Runs are forked, so these are too. Newer Pythons warn of threads at a fork; the only other one here is the test's timer.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
FORK = multiprocessing.get_context("fork")


def at_once(work: Callable[[int], list[PlacedOrder]]) -> list[PlacedOrder]:
    """Return what `work` returns in processes that are forked first and let go together."""
    gate = FORK.Barrier(PROCESSES)
    ends: list[Connection] = []
    processes = []

    def child(number: int, end: Connection) -> None:
        gate.wait(30)
        try:
            end.send(work(number))
        except BaseException as error:  # noqa: BLE001 - the parent's assertion shows it
            end.send(repr(error))

    for number in range(PROCESSES):
        receiver, sender = FORK.Pipe(duplex=False)
        process = FORK.Process(target=child, args=(number, sender))
        process.start()
        sender.close()
        ends.append(receiver)
        processes.append(process)
    placed: list[PlacedOrder] = []
    for process, end in zip(processes, ends, strict=True):
        answer: list[PlacedOrder] | str = end.recv() if end.poll(60) else "no answer within a minute"
        process.join(10)
        end.close()
        assert not isinstance(answer, str), answer
        placed += answer
    return placed


@pytest.mark.parametrize("attempt", range(5))
def test_one_id_from_many_processes_is_one_order(tmp_path: Path, attempt: int) -> None:
    """All of them get the same order back, although even the file is not there when they begin."""
    broker = PaperBroker(tmp_path / "state", FakeMarket(), NOW)
    answers = at_once(lambda number: [broker.submit(Order("same", "AAPL", "buy", 10 + number))])
    assert len(answers) == PROCESSES
    assert len(set(answers)) == 1
    assert broker.account().cash == 100_000 - answers[0].quantity
    assert not [path.name for path in (tmp_path / "state").iterdir() if not path.name.startswith(FILE)]


def test_nothing_is_lost_and_nothing_overdrawn(tmp_path: Path) -> None:
    """Eight processes want 8 x 25 x 1,000 dollars of 100,000: exactly a hundred orders fill."""
    broker = PaperBroker(tmp_path, FakeMarket(), NOW)
    answers = at_once(
        lambda number: [broker.submit(Order(f"{number}-{step}", f"S{step % 3}", "buy", 1000)) for step in range(25)]
    )
    assert len({placed.order_id for placed in answers}) == PROCESSES * 25
    assert sum(placed.status == "filled" for placed in answers) == 100
    assert {placed.reason for placed in answers} == {"", "insufficient cash: needs 1000.00, has 0.00"}
    assert broker.account().cash == 0.0
    assert sum(position.quantity for position in broker.positions().values()) == 100_000


def test_a_broker_may_be_used_before_and_after_a_fork(tmp_path: Path) -> None:
    """What the parent has opened does the children no harm, nor theirs the parent."""
    broker = PaperBroker(tmp_path, FakeMarket(), NOW)
    broker.submit(Order("parent", "AAPL", "buy", 1))
    answers = at_once(lambda number: [broker.submit(Order(f"child-{number}", "AAPL", "buy", 1))])
    assert {placed.status for placed in answers} == {"filled"}
    assert broker.positions()["AAPL"].quantity == 1 + PROCESSES
    assert broker.submit(Order("parent again", "AAPL", "sell", 9)).status == "filled"


def test_a_killed_process_leaves_whole_orders_only(tmp_path: Path) -> None:
    """Killed at any moment, the account's cash and positions still add up, and the file still works."""
    broker = PaperBroker(tmp_path, FakeMarket(), NOW)

    def trade_for_ever(end: Connection) -> None:
        number = 0
        while True:
            broker.submit(Order(f"{os.getpid()}-{number}", "AAPL", "buy", 1))
            number += 1
            end.send(number)

    for _ in range(10):
        receiver, sender = FORK.Pipe(duplex=False)
        process = FORK.Process(target=trade_for_ever, args=(sender,))
        process.start()
        sender.close()
        assert receiver.poll(30)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join(10)
        told = 0
        try:
            while receiver.poll(1):
                told = receiver.recv()
        except EOFError:
            pass
        receiver.close()
        assert broker.find(f"{process.pid}-{told - 1}") is not None
        assert broker.account().cash + broker.positions()["AAPL"].quantity == 100_000
