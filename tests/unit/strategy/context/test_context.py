"""What a strategy is given: its run, its secrets, its state kept on success only, and every word of it in the journal."""

from collections.abc import Callable

import pytest

from openbell.strategy.run_state import State, StrategyError
from tests.unit.strategy.context.conftest import SLOT, Desk

# What it knows


def test_a_context_knows_its_run(desk: Desk) -> None:
    """Bot, symbols, parameters, the slot in UTC and the same instant on the strategy's own clock."""
    context = desk.context()
    assert (context.bot, context.symbols, context.params["window"]) == ("b", ("AAPL", "IBM"), 20)
    assert context.slot == SLOT
    assert f"{context.now:%H:%M %Z}" == "09:35 EST"


def test_a_context_asks_market_and_broker_about_the_slot(desk: Desk) -> None:
    """Bars are those that had closed at the slot, whenever the run happens."""
    context = desk.context()
    (bar,) = context.bars("AAPL", "1d", 7)
    assert (bar.timestamp, bar.volume) == (SLOT, 7.0)
    assert context.price("AAPL") == 1.0
    assert context.account.positions["AAPL"].quantity == 3.0
    assert (context.position("AAPL"), context.position("IBM")) == (0.0, 0.0)  # the three were bought by hand
    assert (context.cash, context.account.cash) == (5_000.0, {"USD": 5_000.0})


def test_only_the_manifests_secrets_can_be_had(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy names what it uses."""
    monkeypatch.setenv("API_KEY", "sk-12345")
    assert desk.context().secret("API_KEY") == "sk-12345"
    with pytest.raises(StrategyError, match='PATH is not in the manifest: add it, as in secrets = \\["PATH"\\]'):
        desk.context().secret("PATH")


# What it writes


def test_every_line_carries_the_run_and_where_its_prices_come_from(desk: Desk) -> None:
    """Signals, decisions and notes can be found by bot, slot and run."""
    context = desk.context(attempt=2)
    context.signal("AAPL", 0.5, fast=3.0)
    context.hold("AAPL", reason="flat")
    context.log("hello", weight=1)
    for line in desk.lines():
        told = [line[name] for name in ("strategy", "boot_id", "bot", "slot", "run_id", "attempt", "source")]
        assert told == ["demo", "boot", "b", "2026-03-02T14:35:00.000Z", "r1", 2, "dollars"]
    signal, hold, note = desk.lines()
    assert (signal["signal"], signal["fast"]) == (0.5, 3.0)
    assert (hold["action"], hold["reason"], hold["signal"], hold["qty"]) == ("hold", "flat", 0.5, 0)
    assert (note["message"], note["weight"]) == ("hello", 1)


@pytest.mark.parametrize(
    "name",
    ["timestamp", "event", "level", "strategy", "boot_id", "bot", "slot", "run_id", "attempt", "source"],
)
def test_names_of_the_journal_cannot_be_taken(desk: Desk, name: str) -> None:
    """A value of the strategy's cannot pass for the run's identity."""
    with pytest.raises(StrategyError, match=f"the name {name} belongs to the journal"):
        desk.context().signal("AAPL", 1.0, **{name: "mine"})
    assert desk.lines() == []


# State


def test_state_is_read_back_as_the_next_run_will() -> None:
    """Tuples become lists, at once and not a run later."""
    state = State({})
    state["pair"] = (1, 2)
    assert state["pair"] == [1, 2]


@pytest.mark.parametrize("change, changed", [
    (lambda state: None, False),
    (lambda state: state["deep"]["list"].append(2), True),
    (lambda state: state.update(new=1), True),
    (lambda state: state.pop("deep"), True),
    (lambda state: state.update(deep={"list": [1]}), False),
])  # fmt: skip
def test_state_notices_every_change(change: Callable[[State], object], changed: bool) -> None:
    """Also one inside a list or a mapping."""
    state = State({"deep": {"list": [1]}})
    change(state)
    assert state.changed is changed


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), b"bytes"])
def test_state_takes_json_only(value: object) -> None:
    """What cannot be kept is refused where it is set, by its name."""
    state = State({})
    with pytest.raises(StrategyError, match=r'ctx.state\["x"\] takes numbers, texts, lists and mappings of them'):
        state["x"] = value
    assert dict(state) == {}
    assert not state.changed


def test_state_is_the_bots_own(desk: Desk) -> None:
    """A context begins with what the bot's last successful run has kept."""
    desk.ledger.save_state("b", SLOT, {"runs": 3})
    desk.ledger.save_state("c", SLOT, {"runs": 7})
    assert dict(desk.context().state) == {"runs": 3}
