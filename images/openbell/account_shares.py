"""What each of several strategies holds of one broker's account, so that reconciliation can add up their shares.

No strategy can read another's files. Each says what its own orders hold in a file beside its journal; the supervisor, who reads
all journals, tells each what the others hold in a file of its control folder, which the strategy can only read.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from openbell import foreign_files
from openbell.journal import instant, stamp

FILE = "holdings.json"
OTHERS = "others.json"
CURRENT = timedelta(minutes=5)  # what was told longer ago is not known any more: the supervisor does not run
Shares = Mapping[str, tuple[float, float]]  # by symbol, the least and the most that one strategy may hold by now


def publish(folder: Path, held: Shares) -> None:
    """Say what a strategy holds, in its journal's folder; OSError if that cannot be done."""
    try:
        before = foreign_files.read_object(folder / FILE, folder.parent)
    except OSError:
        before = {}
    content: dict[str, object] = {"held": {symbol: list(bounds) for symbol, bounds in sorted(held.items())}}
    if content != before:
        foreign_files.write_object(folder / FILE, folder.parent, content, durable=False)


def published(folder: Path) -> Shares | None:
    """Return what a strategy says that it holds; None if it does not, or in a way that cannot be read."""
    try:
        content = foreign_files.read_object(folder / FILE, folder.parent)
    except OSError:
        return None
    return _shares(content.get("held"))


def write(root: Path, strategy: str, others: Sequence[Shares] | None, now: datetime) -> None:
    """Tell a strategy what the others of its account hold, in the control folder; None if that is not known of all of them."""
    (root / strategy).mkdir(parents=True, exist_ok=True)
    content: dict[str, object] = {"at": stamp(now)}
    if others is not None:
        content["others"] = [{symbol: list(bounds) for symbol, bounds in one.items()} for one in others]
    foreign_files.write_object(root / strategy / OTHERS, root, content, durable=False)


def others(root: Path, strategy: str, now: datetime) -> list[Shares] | None:
    """Return what the others of a strategy's account hold, one by one; None if that is not known now."""
    try:
        content = foreign_files.read_object(root / strategy / OTHERS, root)
    except OSError:
        return None
    at, told = instant(content.get("at")), content.get("others")
    if at is None or not -CURRENT <= now - at <= CURRENT or not isinstance(told, list):
        return None
    return _all_of(map(_shares, told))


def _all_of(found: Iterable[Shares | None]) -> list[Shares] | None:
    known = list(found)
    return [one for one in known if one is not None] if None not in known else None


def _shares(said: object) -> Shares | None:
    if not isinstance(said, dict):
        return None
    found: dict[str, tuple[float, float]] = {}
    for symbol, bounds in said.items():
        match bounds:
            case [int() | float() as low, int() | float() as high]:  # never infinite: such numbers are not read
                found[str(symbol)] = (float(low), float(high))
            case _:
                return None
    return found
