"""Any Python value as JSON can carry it. No value that a strategy logs may end its run."""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

LONGEST_TEXT = 8_000  # characters of one string; a longer one keeps its two ends
MOST_CHARACTERS = 100_000  # of one line's values altogether, so that a line stays within what a reader takes
DEEPEST = 20  # levels of lists and mappings
LARGEST_INTEGER = 1 << 63  # what 64 bits hold; databases and most JSON readers take no more
LEFT_OUT = "[left out: the line is too long]"


def cut(text: str, most: int = LONGEST_TEXT) -> str:
    """Return the text, or its two ends if it is too long."""
    left_out = len(text) - most
    if left_out <= 0:
        return text
    return f"{text[: most // 2]} [{left_out} characters left out] {text[-most // 2 :]}"


class JsonValues:
    """Turns the values of one line into JSON values.

    stamp: gives an aware instant its form. clean: is applied to every text, names included.
    """

    def __init__(self, stamp: Callable[[datetime], str], clean: Callable[[str], str] = str) -> None:
        self._stamp = stamp
        self._clean = clean
        self._left = MOST_CHARACTERS
        self._above: set[int] = set()  # the containers around the current value, by identity

    def fields(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return a mapping of names to values."""
        return {self.text(str(name)): self.value(value) for name, value in values.items()}

    def text(self, text: str) -> str:
        """Return a text without what is to be kept out of it, and not too long."""
        cleaned = self._clean(text)
        if len(cleaned) > LONGEST_TEXT:
            cleaned = cut(cleaned)
        self._left -= len(cleaned)
        return cleaned

    def value(self, value: object) -> object:
        """Return any value as JSON can carry it."""
        if self._left <= 0:
            return LEFT_OUT
        self._left -= 8
        kind = type(value)  # most values are of these kinds, and nothing of them can go wrong
        if kind is str:
            return self.text(value)  # type: ignore[arg-type]
        if kind is datetime and value.tzinfo is UTC:  # type: ignore[attr-defined]
            return self.text(self._stamp(value))  # type: ignore[arg-type]
        if kind is bool or value is None or (kind is float and math.isfinite(value)):  # type: ignore[arg-type]
            return value
        try:
            return self._plain(value)
        except Exception as error:  # noqa: BLE001 - a value's own methods may raise anything
            return self.text(f"[a {type(value).__name__} that cannot be shown: {type(error).__name__}]")

    def _plain(self, value: object) -> object:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return _integer(int(value))
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(value)
        if isinstance(value, str):
            return self.text(str.__str__(value))
        if isinstance(value, date | time | timedelta):
            return self.text(self._time(value))
        if isinstance(value, Decimal):
            return _decimal(value)
        if isinstance(value, Mapping):
            return self._container(value, lambda: self._mapping(value))
        if isinstance(value, list | tuple | set | frozenset):
            return self._container(value, lambda: self._items(value))
        return self._foreign(value)

    def _time(self, value: date | time | timedelta) -> str:
        """Return a date or a time in ISO 8601. One without a zone keeps none: which zone was meant is not ours to say."""
        if isinstance(value, datetime):
            try:
                return self._stamp(value) if value.tzinfo is not None else value.isoformat()
            except (OverflowError, ValueError):  # its year in UTC would be 0 or 10000
                return value.isoformat()
        return str(value) if isinstance(value, timedelta) else value.isoformat()

    def _foreign(self, value: object) -> object:
        """Return a scalar or an array of numpy, pandas and their kin as numbers, and anything else as its repr."""
        shape = getattr(value, "shape", None)
        item, to_list = getattr(value, "item", None), getattr(value, "tolist", None)
        if shape == () and callable(item):
            return self._container(value, lambda: self.value(item()))
        if isinstance(shape, tuple) and callable(to_list) and _count(shape) <= self._left // 8:
            return self._container(value, lambda: self.value(to_list()))
        return self.text(repr(value))

    def _container(self, value: object, convert: Callable[[], object]) -> object:
        if id(value) in self._above:
            return f"[the {type(value).__name__} contains itself]"
        if len(self._above) >= DEEPEST:
            return f"[a {type(value).__name__} left out: {DEEPEST} levels are enough]"
        self._above.add(id(value))
        try:
            return convert()
        finally:
            self._above.discard(id(value))

    def _mapping(self, value: Mapping[object, object]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, one in value.items():
            if self._left <= 0:
                found["..."] = LEFT_OUT
                break
            name = self.value(key)
            found[name if isinstance(name, str) else str(name)] = self.value(one)
        return found

    def _items(self, value: Iterable[object]) -> list[object]:
        found: list[object] = []
        for one in value:
            found.append(self.value(one))
            if self._left <= 0:
                found.append(LEFT_OUT)
                break
        return found


def _integer(value: int) -> int | str:
    if abs(value) < LARGEST_INTEGER:
        return value
    # Python refuses to print integers of more than 4,300 digits; the bits tell the size without that work.
    return str(value) if value.bit_length() <= 4096 else f"[an integer of {value.bit_length()} bits]"


def _decimal(value: Decimal) -> float | str:
    """Return a number if a float says exactly the same, else the digits."""
    if value.is_finite() and Decimal(repr(float(value))) == value:
        return float(value)
    return str(value)


def _count(shape: tuple[object, ...]) -> int:
    return math.prod(int(size) if isinstance(size, int) else 0 for size in shape)
