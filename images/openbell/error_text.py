"""An exception in one line. Its type and its message lead; notes, causes and what a group holds follow."""

import traceback

from openbell.json_values import cut

MOST = 3  # notes, causes or exceptions of a group that are named
LONGEST = 2_000  # characters of one part


def error_text(error: BaseException) -> str:
    """Return one line that names the exception, its message, its notes and its causes."""
    parts = [_named(error)]
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        parts += [f"(note: {_one_line(note)})" for note in notes[:MOST]]
    if isinstance(error, BaseExceptionGroup):
        parts.append(f"({'; '.join(_named(one) for one in error.exceptions[:MOST])})")
    cause, seen = _cause(error), {id(error)}
    while cause is not None and id(cause) not in seen and len(seen) <= MOST:
        parts.append(f"(caused by {_named(cause)})")
        seen.add(id(cause))
        cause = _cause(cause)
    return " ".join(parts)


def _cause(error: BaseException) -> BaseException | None:
    if error.__cause__ is not None:
        return error.__cause__
    return None if error.__suppress_context__ else error.__context__


def _named(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return _one_line(traceback.format_exception_only(error)[-1 - len(getattr(error, "__notes__", ()))])
    kind = type(error)
    name = (
        kind.__qualname__ if kind.__module__ in {"builtins", "__main__"} else f"{kind.__module__}.{kind.__qualname__}"
    )
    message = _one_line(error)
    return f"{name}: {message}" if message else name


def _one_line(value: object) -> str:
    try:
        text = str(value)
    except Exception:  # noqa: BLE001 - an exception's own methods may raise anything
        return "[its message cannot be shown]"
    lines = [line.strip() for line in cut(text, LONGEST).splitlines()]
    return " | ".join(filter(None, lines))
