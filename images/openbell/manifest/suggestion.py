"""What a message says about a name that does not exist: the names that do, or those that are most like it."""

from collections.abc import Iterable

FEW = 8  # as many names as a person reads in one line


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name, such as `did you mean "pulse"?`."""
    import difflib  # noqa: PLC0415 - a strategy's loop lives for months and never needs it

    names = sorted(set(known))
    folded = {one.casefold(): one for one in names}
    if close := difflib.get_close_matches(name.casefold(), folded, n=3):
        return f"did you mean {' or '.join(folded[one] for one in close)}?"
    if not names:
        return "there is none"
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return f"there is {', '.join(names[:FEW])}{more}"
