"""What a long benchmark has measured: kept for exactly these sources, so that the next call goes on where one has ended."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.progress import say
from tests.resume import sources

ROOT = Path(__file__).parents[2]


class Kept:
    """Pieces of a benchmark by their names. No piece begins after so many minutes; those that are left are in `left`."""

    def __init__(self, name: str, minutes: float, root: Path = ROOT, now: Callable[[], float] = time.monotonic) -> None:
        self._file = root / "build" / f"{name}.json"
        self._of = sources(root)
        self._now = now
        self._ends = now() + minutes * 60
        self._pieces = self._read()
        self.left: list[str] = []

    def piece(self, name: str, measure: Callable[[], list[list[float]]]) -> list[list[float]]:
        """Return what a piece came to, of an earlier call or now; nothing if there is no time for it any more."""
        if name in self._pieces:
            return self._pieces[name]
        if self._now() >= self._ends:
            self.left.append(name)
            return []
        self._pieces[name] = measure()
        self._write()
        return self._pieces[name]

    def tell(self) -> None:
        """Say what is still to be measured."""
        if self.left:
            say(f"{len(self.left)} pieces are left, the next is: {self.left[0]}; the same command goes on with them")

    def _read(self) -> dict[str, list[list[float]]]:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        found = content.get("pieces", {}) if content.get("sources") == self._of and self._of else {}
        if found:
            say(f"{len(found)} pieces were measured for these sources before ({self._file} keeps them)")
        return dict(found)

    def _write(self) -> None:
        self._file.parent.mkdir(exist_ok=True)
        self._file.write_text(json.dumps({"sources": self._of, "pieces": self._pieces}, indent=1), encoding="utf-8")
