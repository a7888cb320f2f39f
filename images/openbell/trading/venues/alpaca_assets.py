"""What Alpaca says of an asset: whether fractions of it are traded, its steps. Kept for a day: it hardly ever changes."""

import json
import os
import time
from decimal import Decimal
from typing import Any

from openbell.position import ZERO, decimal
from openbell.trading.order_size import NANO, SizeRules
from openbell.trading.run_services import RunServices
from openbell.trading.venues import MissingError, alpaca

AGE = 86_400.0  # seconds
_CENT, _BELOW_A_DOLLAR = Decimal("0.01"), Decimal("0.0001")


def sizes(desk: RunServices, symbol: str) -> SizeRules:
    """Return the rules for orders of a symbol; VenueError if Alpaca does not answer."""
    told = _asset(desk, symbol)
    if "/" in symbol:
        step, smallest, tick = (told.get(name) for name in ("min_trade_increment", "min_order_size", "price_increment"))
        return SizeRules(_number(step) or NANO, _number(smallest), tick=_number(tick))
    step_of_share = Decimal(1) if told.get("fractionable") is False else NANO
    return SizeRules(step_of_share, tick=_CENT, tick_below_one=_BELOW_A_DOLLAR)


def _asset(desk: RunServices, symbol: str) -> dict[str, Any]:
    file = desk.state / "alpaca-assets.json"
    try:
        is_fresh = time.time() - file.stat().st_mtime < AGE
        kept: dict[str, dict[str, Any]] = json.loads(file.read_text()) if is_fresh else {}
    except (OSError, ValueError):
        kept = {}
    if symbol in kept:
        return kept[symbol]
    client = alpaca.clients(desk).trading
    try:
        answer: Any = alpaca.calls(desk).ask(lambda: client.get_asset(symbol))
    except MissingError:
        return {}  # the order's own answer says so
    names = ("fractionable", "min_trade_increment", "min_order_size", "price_increment")
    kept[symbol] = {name: answer[name] for name in names if answer.get(name) is not None}
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(kept))
    aside.replace(file)
    return kept[symbol]


def _number(text: object) -> Decimal:
    return ZERO if text is None else decimal(float(str(text)))
