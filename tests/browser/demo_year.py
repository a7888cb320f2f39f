"""A made-up year before the demo's history, as the supervisor's store keeps it: days of slots, equity, filled orders."""

import random
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from openbell.supervisor.model.records import AccountRecord, OrderRecord, SlotRecord
from openbell.supervisor.service.own_records import STORE
from openbell.supervisor.store.store import Store
from tests.browser.demo import LEGS, Demo

DAY = timedelta(days=1)
DAYS = 365
EVERY = {"pulse": ["pulse"], "basket": LEGS}
SLOTS = {"pulse": 1440, "basket": 96}  # a day of each bot
EQUITY = 100_000.0  # with which the demo's own history begins


def fill(demo: Demo, state: Path) -> None:
    """Write the year into the supervisor's folder, which must not exist; the same year each time."""
    state.mkdir()
    dice = random.Random(1)
    with closing(Store(state / STORE)) as store, store.transaction():
        for strategy, bots in EVERY.items():
            _fill_equity(store, strategy, demo.now, dice)
            for bot in bots:
                _fill_days(store, strategy, bot, demo.now, dice)
                _fill_orders(store, strategy, bot, demo.now, dice)


def _fill_equity(store: Store, strategy: str, now: datetime, dice: random.Random) -> None:
    value, values = EQUITY, []
    for _ in range(DAYS):
        values.append(value)
        value *= 1 - dice.gauss(0.0006, 0.007)  # backwards, so that the year ends where the demo begins
    for back, equity in enumerate(values, 1):
        store.equity.put(
            strategy, AccountRecord(now - back * DAY, strategy, "paper", equity / 2, round(equity, 2), "USD", {})
        )


def _fill_days(store: Store, strategy: str, bot: str, now: datetime, dice: random.Random) -> None:
    for back in range(1, DAYS + 1):
        day, wrong = now - back * DAY, {}
        if day.weekday() >= 5 and strategy == "basket":
            continue
        if dice.random() < 0.04:
            wrong["failed"] = dice.randint(1, 3)
        if dice.random() < 0.015:
            wrong["missed"] = dice.randint(1, 20)
        for outcome, count in {**wrong, "succeeded": SLOTS[strategy] - sum(wrong.values())}.items():
            store.slot_days.count(strategy, bot, SlotRecord(day, day, count, outcome), 1)


def _fill_orders(store: Store, strategy: str, bot: str, now: datetime, dice: random.Random) -> None:
    price, quantity, symbol = dice.uniform(40, 300), 0.0, "AAPL" if bot == "pulse" else bot.upper()
    words = {"buy": "20-day average rose above the 50-day average", "sell": "fell below it"}
    for number, back in enumerate(range(DAYS - dice.randint(1, 9), 2, -9)):
        side = ("buy", "sell")[number % 2]
        price *= 1 + dice.gauss(0.004, 0.03)
        at = now - back * DAY
        quantity = float(10 + dice.randint(0, 9)) if side == "buy" else quantity  # what was bought is sold
        order = OrderRecord(
            f"{bot}-{number}",
            bot,
            "",
            symbol,
            side,
            quantity,
            "filled",
            quantity,
            round(price, 2),
            1.0,
            at,
            at,
            "",
            words[side],
        )
        store.orders.put(strategy, order)
