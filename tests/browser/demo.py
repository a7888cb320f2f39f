"""A made-up history that a real supervisor reads: strategies that do well, one that fails, one that cannot start.

`python -m tests.browser.demo FOLDER PORT [BOTS]` serves it, for a person who wants to look.
"""

import math
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell import heartbeat
from openbell.control import Control, Pause
from openbell.journal import Journal
from tests.browser.supervisor import Supervisor

MINUTE = timedelta(minutes=1)
PULSE = """description = "Looks at one symbol every minute"
timezone = "UTC"
[defaults]
grace = "50s"
[[bot]]
id = "pulse"
symbols = ["AAPL", "MSFT"]
every = "1m"
"""
BASKET = """description = "Rebalances a basket on the quarter hour"
timezone = "America/New_York"
tags = ["us"]
"""
LEGS = [f"basket-{number}" for number in range(1, 7)]
TRACEBACK = """Traceback (most recent call last):
  File "/strategy/strategy.py", line 12, in run
    closes = ctx.bars(symbol, "1d", 50).closes
openbell.trading.markets.MarketError: no bars of TSLA: the source answered 503 <b>Service Unavailable</b>
"""


class Demo:
    """Strategies, their journals and what is wanted of them, below one folder."""

    traceback = TRACEBACK  # of the runs that fail

    def __init__(self, root: Path, now: datetime, crowd: int = 0) -> None:
        """Write everything up to `now`. crowd: bots of one more strategy, whose journal is empty."""
        self.root = root
        self.strategies, self.journal, self.control = root / "strategies", root / "journal", root / "control"
        for folder in (self.strategies, self.journal, self.control):
            folder.mkdir(parents=True)
        self.now = now.replace(second=0, microsecond=0)
        self._journals: dict[str, Journal] = {}
        self._runs = 0
        self.manifest("pulse", PULSE)
        rows = "".join(f'[[bot]]\nid = "{leg}"\nsymbols = ["{leg.upper()}"]\nevery = "15m"\n' for leg in LEGS)
        self.manifest("basket", BASKET + rows)
        self.manifest("broken", 'timezone = "Mars/Base"\nwhat = 1\n')
        if crowd:
            rows = "".join(
                f'[[bot]]\nid = "crowd-{number}"\nsymbols = ["S{number}"]\nevery = "1h"\n' for number in range(crowd)
            )
            self.manifest("crowd", f'timezone = "UTC"\n{rows}')
        self._history()
        self.keep_up()
        self.beat()

    def manifest(self, strategy: str, text: str) -> None:
        """Write a strategy's manifest."""
        (self.strategies / strategy).mkdir()
        (self.strategies / strategy / "strategy.toml").write_text(text)

    def write(self, strategy: str, event: str, at: datetime, fields: Mapping[str, object]) -> None:
        """Append a line to a strategy's journal."""
        journal = self._journals.setdefault(strategy, Journal(self.journal, strategy, f"boot-{strategy}", echo=False))
        journal.write(event, at, fields)

    def beat(self) -> None:
        """Let all loops beat, now."""
        for strategy in ("pulse", "basket"):
            heartbeat.write(self.journal / strategy, heartbeat.Heartbeat(datetime.now(UTC), f"boot-{strategy}", ()))

    def keep_up(self) -> None:
        """Run what has come due since the last time."""
        now = datetime.now(UTC)
        while self._pulsed + MINUTE <= now:
            self._pulsed += MINUTE
            self.run("pulse", "pulse", self._pulsed)
        while self._quarter + 15 * MINUTE <= now:
            self._quarter += 15 * MINUTE
            for number, leg in enumerate(LEGS):
                self._leg(leg, number, self._quarter, "failed" if number == 2 else "succeeded")

    def _leg(self, leg: str, number: int, slot: datetime, outcome: str) -> None:
        if leg == "basket-6" and slot > self.now:
            skip = {"bot": leg, "slot": slot, "outcome": "skipped", "reason": "paused", "count": 1}
            self.write("basket", "slot_skipped", slot, skip)
        else:
            self.run("basket", leg, slot, outcome, took=40 + 5 * number)

    def run(self, strategy: str, bot: str, slot: datetime, outcome: str = "succeeded", took: float = 31.0) -> None:
        """Let a bot run for a slot, with a signal, a decision, a note and the account for each."""
        self._runs += 1
        head = {"bot": bot, "slot": slot, "run_id": f"run-{self._runs}", "attempt": 1}
        lateness = 1.4 + self._runs % 7
        at = slot + timedelta(milliseconds=lateness)
        started = {"lateness_ms": lateness, "queue_wait_ms": 0.1, "trigger": "loop", "symbols": ["AAPL"]}
        self.write(strategy, "run_start", at, {**head, **started})
        wave = math.sin(self._runs / 9)
        symbols = ("AAPL", "MSFT") if bot == "pulse" else (bot.upper(),)
        for symbol in symbols if outcome == "succeeded" else ():
            value = wave * (0.02 if symbol == "AAPL" else 0.013)
            self.write(
                strategy, "signal", at, {**head, "symbol": symbol, "signal": value, "short": 101.2, "long": 99.5}
            )
            action = {0: "buy", 30: "sell"}.get(self._runs % 60, "hold")
            words = {
                "buy": "20-day average rose above the 50-day average",
                "sell": "fell below it",
                "hold": "nothing to do",
            }
            more: dict[str, object] = {
                "symbol": symbol,
                "action": action,
                "reason": words[action],
                "signal": value,
                "source": "sample",
            }
            if action != "hold":
                more |= {"qty": 1160.0, "status": "filled", "filled_price": 21.32, "order_id": f"paper-{self._runs}"}
            self.write(strategy, "decision", at, {**head, **more})
        done = at + timedelta(milliseconds=took)
        if outcome == "succeeded":
            value = 100_000 + 900 * wave + 12 * self._runs
            held = {"AAPL": {"qty": 120.0, "average_price": 187.2, "price": 191.4, "value": 22_968.0}}
            self.write(
                strategy,
                "account",
                done,
                {
                    **head,
                    "broker": "paper",
                    "cash": value - 22_968.0,
                    "equity": value,
                    "currency": "USD",
                    "positions": held,
                },
            )
            self.write(strategy, "output", done, {**head, "text": f"looked at {len(symbols)} symbols"})
        else:
            self.write(
                strategy,
                "error",
                done,
                {**head, "error": self.traceback.splitlines()[-1], "traceback": self.traceback, "will_retry": False},
            )
        ended = {"outcome": outcome, "tick_duration_ms": took, "signal_generated": True, "orders": 0, "trigger": "loop"}
        self.write(strategy, "run_end", done, {**head, **ended})

    def _history(self) -> None:
        for strategy, bots in (("pulse", ["pulse"]), ("basket", LEGS)):
            started = {"release": "3f2a9c1", "timezone": "UTC", "bots": bots, "previous_stop": "clean"}
            self.write(strategy, "service_start", self.now - 200 * MINUTE, started)
        for back in range(190, 0, -1):
            took = 24 + 9 * math.sin(back / 5) + (40 if back == 77 else 0)
            self.run("pulse", "pulse", self.now - back * MINUTE, took=took)
        self._pulsed = self.now - MINUTE
        self._quarter = self.now.replace(minute=self.now.minute // 15 * 15)
        for step in range(12, -1, -1):
            slot = self._quarter - 15 * step * MINUTE
            for number, leg in enumerate(LEGS):
                if number == 4 and step in {3, 7}:
                    skip = {"bot": leg, "slot": slot, "outcome": "skipped", "reason": "overlap", "count": 1}
                    self.write("basket", "slot_skipped", slot, skip)
                else:
                    self._leg(leg, number, slot, "failed" if number == 2 and step < 2 else "succeeded")
        control = Control(self.control, "basket")
        control.prepare()
        control.pause("basket-6", Pause(self.now, None, "make pause", "earnings"))


class Beating:
    """Lets the demo's loops beat until it is left."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._end.wait(1):
            self._demo.beat()
            self._demo.keep_up()


def main() -> None:
    """Serve a demo until it is interrupted."""
    folder, port, crowd = Path(sys.argv[1]), int(sys.argv[2]), int((*sys.argv[3:], "0")[0])
    demo = Demo(folder, datetime.now(UTC), crowd)
    with Beating(demo), Supervisor(demo.root, port=port, token="a token for the demo".replace(" ", "-")) as supervisor:
        print(supervisor.page, flush=True)
        supervisor.process.wait()


if __name__ == "__main__":
    main()
