"""Lines that say what a command is doing: for a person, or with OPENBELL_LOG=json for a machine."""

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger


class Log(Protocol):
    """Reports the steps of a command."""

    def info(self, event: str, **values: object) -> None:
        """Write what is done now."""

    def warning(self, event: str, **values: object) -> None:
        """Write what is not as it should be."""


class _LogToStdout:
    """A log of structlog, which is loaded for the first line: it takes longer than most commands, and many write none."""

    def __init__(self, form: str) -> None:
        self._form, self._file = form, sys.stdout

    @cached_property
    def _log(self) -> Any:
        import structlog  # noqa: PLC0415 - see above

        renderer = structlog.processors.JSONRenderer() if self._form == "json" else plain
        return structlog.wrap_logger(
            structlog.PrintLogger(self._file),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                renderer,
            ],
        )

    def info(self, event: str, **values: object) -> None:
        self._log.info(event, **values)

    def warning(self, event: str, **values: object) -> None:
        self._log.warning(event, **values)


def log_to_stdout(form: str) -> Log:
    """Return a log whose lines appear at once, between those of the programs that are started."""
    return _LogToStdout(form)


def plain(_logger: "WrappedLogger", _method: str, event: "EventDict") -> str:
    """Render a line as the set-up scripts write theirs: `openbell: still working (seconds: 8)`."""
    values = ", ".join(f"{key}: {value}" for key, value in event.items() if key not in {"event", "level", "timestamp"})
    return f"openbell: {event['event']}{f' ({values})' if values else ''}"
