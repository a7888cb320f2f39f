"""What libraries log: bounded, with a count of what was dropped."""

import logging

from structlog.testing import capture_logs

from openbell.supervisor.service.library_log import BURST, PERIOD, LibraryLog


class Clock:
    """A monotonic clock that only the test moves."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def record(logger: str) -> logging.LogRecord:
    """Return a warning."""
    return logging.LogRecord(logger, logging.WARNING, __file__, 1, "out of %s", ("descriptors",), None)


def test_a_flood_of_lines_is_cut_and_counted() -> None:
    """Each logger has a number of lines in a period; what is beyond them is told once the period is over."""
    clock = Clock()
    handler = LibraryLog(clock)
    with capture_logs() as lines:
        for _ in range(45_030):
            handler.emit(record("asyncio"))
        handler.emit(record("uvicorn.error"))
    assert [line["logger"] for line in lines] == ["asyncio"] * BURST + ["uvicorn.error"]
    assert lines[0] == {
        "event": "library.logged",
        "log_level": "warning",
        "logger": "asyncio",
        "message": "out of descriptors",
        "traceback": "",
    }
    clock.now += PERIOD
    with capture_logs() as lines:
        handler.report_dropped()
        handler.emit(record("asyncio"))
    assert [(line["event"], line.get("count")) for line in lines] == [
        ("library.lines_dropped", 45_030 - BURST),
        ("library.logged", None),
    ]


def test_the_end_of_the_process_tells_what_was_dropped() -> None:
    """Even before the period is over."""
    handler = LibraryLog(Clock())
    with capture_logs() as lines:
        for _ in range(BURST + 3):
            handler.emit(record("asyncio"))
        handler.report_dropped(everything=True)
    assert lines[-1]["count"] == 3
