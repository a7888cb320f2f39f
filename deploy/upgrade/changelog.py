"""CHANGELOG.md in the form of Keep a Changelog: what a later text has that an earlier one has not."""

from collections.abc import Iterator


def news(before: str, after: str) -> list[str]:
    """Return the entries of `after` that `before` does not have, below their headings; entries that moved are not new."""
    known = {text for _, text in _entries(before)}
    lines: list[str] = []
    shown: tuple[str, ...] = ()
    for headings, text in _entries(after):
        if text not in known:
            lines += headings[len(shown) if headings[: len(shown)] == shown else _common(headings, shown) :]
            lines.append(text)
            shown = headings
    return lines


def _entries(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each entry on one line, with the headings that it stands under."""
    headings: tuple[str, ...] = ()
    entry: list[str] = []
    for line in [*text.splitlines(), ""]:
        if entry and line.startswith("  "):
            entry.append(line.strip())
            continue
        if entry:
            yield headings, " ".join(entry)
            entry = []
        if line.startswith("## "):
            headings = (line,)
        elif line.startswith("### "):
            headings = (*headings[:1], line)
        elif line.startswith("- "):
            entry = [line.rstrip()]


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    return next((at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), 0)
