"""Two attempts of one run alive at once: the older one wakes up after the newer one has sent the order, and sends nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers.conftest import CERTAIN, shortened
from tests.brokers.trials import Strategy, buy, strategy_at
from tests.unit.runner.fakes import wait_for

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

SLEEPS = """
    import pathlib, time
    from {module} import {owner}
    original = {owner}.{step}
    def sleeping(*given, **named):
        pathlib.Path({asleep!r}).touch()
        while not pathlib.Path({wake!r}).exists():
            time.sleep(0.01)
        return original(*given, **named)
    {owner}.{step} = sleeping
"""
WINDOWS = [
    pytest.param("openbell.ledger", "Ledger", "intend", id="between looking for the order and recording its intent"),
    pytest.param("openbell.trading.venues.calls", "Calls", "send", id="between recording its intent and sending it"),
]


@pytest.fixture(params=shortened(CERTAIN, "alpaca", "ccxt:binance"), ids=lambda kind: kind.name)
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Strategy]:
    """A strategy that trades at a stub; exchanges forget the ids of what is filled."""
    with strategy_at(request.param, tmp_path, monkeypatch) as made:
        yield made


@pytest.mark.parametrize("module, owner, step", WINDOWS)
def test_two_attempts_send_one_order(desk: Strategy, tmp_path: Path, module: str, owner: str, step: str) -> None:
    """An attempt that has lost the run's epoch sends and records nothing, though the venue would take a second order (T28)."""
    asleep, wake = tmp_path / "asleep", tmp_path / "wake"
    sleeps = SLEEPS.format(module=module, owner=owner, step=step, asleep=str(asleep), wake=str(wake))
    desk.write(buy(desk, sleeps))
    first = desk.start()
    wait_for(asleep.exists, "the first attempt on its way to the broker", 30)
    desk.write(buy(desk))
    assert desk.attempt() is None
    wake.touch()
    failure = desk.attempt(first)
    assert failure is not None
    assert "sends and writes nothing more" in failure.error
    (booked,) = desk.bench.book.orders
    assert (booked.status, booked.quantity) == ("filled", desk.bench.kind.quantity)
