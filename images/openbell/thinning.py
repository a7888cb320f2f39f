"""Fewer points of a line, where a picture has no room for all of them. Pure."""

from collections.abc import Sequence
from math import ceil


def kept(values: Sequence[float], most: int) -> list[int]:
    """Return the indexes of at most so many values: of each stretch the lowest and the highest, so that no spike is lost."""
    if len(values) <= most:
        return list(range(len(values)))
    step = ceil(2 * len(values) / (most - 2))
    found = {0, len(values) - 1}
    for start in range(0, len(values), step):
        stretch = range(start, min(start + step, len(values)))
        found |= {min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)}
    return sorted(found)
