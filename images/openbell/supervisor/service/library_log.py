"""What libraries log, in our format and bounded: a flood of connections must not become a flood of lines."""

import logging
import threading
import time
from collections.abc import Callable

import structlog

BURST = 20  # lines of one logger in a period
PERIOD = 60.0  # seconds

log = structlog.get_logger()


class LibraryLog(logging.Handler):
    """Passes on the warnings of libraries: so many of each logger in a period, then how many were dropped."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._periods: dict[str, float] = {}  # logger → when its period began
        self._counts: dict[str, int] = {}  # logger → its records in that period

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record, unless its logger has said enough for now."""
        self.report_dropped()
        name = record.name
        with self._lock:
            self._periods.setdefault(name, self._monotonic())
            count = self._counts[name] = self._counts.get(name, 0) + 1
        if count > BURST:
            return
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        log.log(record.levelno, "library.logged", logger=name, message=record.getMessage(), traceback=trace)

    def report_dropped(self, *, everything: bool = False) -> None:
        """Say how many lines were dropped in the periods that are over, or until now."""
        now = self._monotonic()
        with self._lock:
            over = [name for name, began in self._periods.items() if everything or now - began >= PERIOD]
            for name in over:
                del self._periods[name]
                dropped = self._counts.pop(name) - BURST
                if dropped > 0:
                    log.warning("library.lines_dropped", logger=name, count=dropped)


def log_as_json(library_log: LibraryLog) -> None:
    """Let this process log JSON lines, and libraries through their own handler."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[library_log], force=True)
