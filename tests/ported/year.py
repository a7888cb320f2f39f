"""A strategy's year, slot by slot, inside its own image: the newest slot that is done is in the ledger, so it goes on after a kill.

It needs nothing but the image: openbell, the strategy's packages and its folder. Real are the manifest, the slots, the context, the
ledger and the paper account; the prices are made up, and the clock jumps from slot to slot.
"""

import json
import os
import resource
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from heapq import merge
from pathlib import Path

from openbell import manifest as manifests
from openbell.journal import Journal
from openbell.ledger import Claim, Ledger
from openbell.slots import slots_between
from openbell.strategy import Context, loader
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.markets.synthetic import SyntheticMarket
from openbell.trading.order_following import follow

FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
DONE = "the year's newest slot that is done"
LATER = timedelta(minutes=1)  # after a slot the loop looks at its orders
SHORTEST = 10.0  # seconds that a year takes at least, so that kills meet one of twelve runs too


def main() -> int:
    """Run what is left of the year, then print the books and the broker's as one line of JSON."""
    name, state = os.environ["OPENBELL_STRATEGY"], Path(sys.argv[1])
    folder = Path(os.environ.get("OPENBELL_FOLDER", "/strategy"))
    state.mkdir(parents=True, exist_ok=True)
    manifest = manifests.load_named(folder / "strategy.toml", name)
    functions = loader.load(folder, loader.functions(manifest))
    # What borrowing costs belongs to no order, so it is in no ledger.
    costs = replace(manifest.costs, borrow=Decimal(0))
    market, ledger = SyntheticMarket(), Ledger(state / "ledger.sqlite")
    journal = Journal(state / "journal", name, "boot", echo=False)

    def broker(at: datetime) -> PaperBroker:
        return PaperBroker(state, market, at, costs, short=manifest.limits.short)

    slots = list(merge(*([(slot, index) for slot in slots_between(bot.schedule, FIRST, LAST)] for index, bot in enumerate(manifest.bots))))  # fmt: skip
    done = ledger.fact(DONE) or ""
    for slot, index in slots:
        mark = f"{slot.isoformat()} {index}"
        if mark <= done:
            continue
        time.sleep(SHORTEST / len(slots))
        bot = manifest.bots[index]
        follow(broker(slot), ledger, slot)
        ledger.claim([Claim(bot.id, slot, mark, 1, "loop", slot)])
        run, clock = Run(bot, slot, mark, 1), partial(_itself, slot)
        services = ContextServices(manifest, market, broker(slot), ledger, journal, clock, files=state / "files")
        progress = RunProgress(services, run)
        functions[bot.function](Context(progress))
        if progress.state.changed:
            ledger.save_state(bot.id, slot, progress.state)
        ledger.remember(DONE, mark)
        follow(broker(slot + LATER), ledger, slot + LATER)
        print(f"done {mark}", flush=True)
    follow(broker(LAST), ledger, LAST)
    account = broker(LAST)
    ours: dict[str, float] = {}
    for one in ledger.positions():
        ours[one.symbol] = ours.get(one.symbol, 0.0) + float(one.quantity)
    told = {
        "ours": {symbol: held for symbol, held in ours.items() if abs(held) > 1e-9},
        "theirs": {symbol: one.quantity for symbol, one in account.positions().items()},
        "flows": float(sum(ledger.flows().values())),
        "spent": account.account().cash - 100_000,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,  # KiB
        "uncertain": sum(one.status == "uncertain" for one in ledger.open_orders()),
    }
    print(json.dumps(told), flush=True)
    return 0


def _itself(at: datetime) -> datetime:
    return at


if __name__ == "__main__":
    sys.exit(main())
