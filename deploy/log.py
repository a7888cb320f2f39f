"""Lines that say what a command is doing: for a person, or with OPENBELL_LOG=json for a machine."""

import sys
from typing import cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

Log = FilteringBoundLogger


def log_to_stdout(form: str) -> Log:
    """Return a log whose lines appear at once, between those of the programs that are started."""
    renderer = structlog.processors.JSONRenderer() if form == "json" else plain
    return cast(
        Log,
        structlog.wrap_logger(
            structlog.PrintLogger(sys.stdout),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                renderer,
            ],
            wrapper_class=structlog.make_filtering_bound_logger("info"),
        ),
    )


def plain(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Render a line as the set-up scripts write theirs: `openbell: still working (seconds: 8)`."""
    values = ", ".join(f"{key}: {value}" for key, value in event.items() if key not in {"event", "level", "timestamp"})
    return f"openbell: {event['event']}{f' ({values})' if values else ''}"
