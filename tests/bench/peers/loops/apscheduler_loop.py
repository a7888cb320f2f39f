"""APScheduler 3: a background scheduler, or one on an asyncio loop.

    apscheduler_loop.py KIND lateness PHASE                     a job every second, PHASE seconds after the full one
    apscheduler_loop.py KIND crowd PHASE PERIOD JOBS BUSY GRACE  JOBS jobs due at once, each busy for BUSY seconds
    apscheduler_loop.py KIND quiet                               one job a day

KIND is background or asyncio. GRACE is misfire_grace_time in seconds, or "default".
"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from typing import Any

from due import began  # type: ignore[import-not-found] # beside this file in the image


def main(arguments: list[str]) -> None:
    """Register the jobs of the mode, then serve for ever."""
    kind, mode, *rest = arguments
    if kind == "asyncio":
        asyncio.run(serve(mode, rest))
    else:
        # Each user imports one of the two, so each is charged for one.
        from apscheduler.schedulers.background import BackgroundScheduler  # noqa: PLC0415

        scheduler = BackgroundScheduler(timezone=UTC)
        register(scheduler, mode, rest)
        scheduler.start()
        while True:
            time.sleep(3600)


async def serve(mode: str, rest: list[str]) -> None:
    """Be the asyncio variant; its jobs are plain functions, as strategies are."""
    from apscheduler.schedulers.asyncio import AsyncIOScheduler  # noqa: PLC0415

    scheduler = AsyncIOScheduler(timezone=UTC)
    register(scheduler, mode, rest)
    scheduler.start()
    await asyncio.Event().wait()


def register(scheduler: Any, mode: str, rest: list[str]) -> None:
    """Add the mode's jobs."""
    if mode == "lateness":
        (phase,) = map(float, rest)
        scheduler.add_job(began, "interval", (phase, 1), seconds=1, start_date=instant(phase))
    elif mode == "crowd":
        phase, period, jobs, busy = map(float, rest[:4])
        settings = {} if rest[4] == "default" else {"misfire_grace_time": int(rest[4])}
        for _ in range(int(jobs)):
            scheduler.add_job(
                work, "interval", (phase, period, busy), seconds=period, start_date=instant(phase), **settings
            )
    else:
        scheduler.add_job(began, "cron", (3 * 3600, 86400), hour=3)


def instant(seconds: float) -> datetime:
    """Return the instant that many seconds into 1970, from which on the grid is counted."""
    return datetime.fromtimestamp(seconds, UTC)


def work(phase: float, period: float, busy: float) -> None:
    """Be a job that takes its time."""
    began(phase, period)
    time.sleep(busy)


if __name__ == "__main__":
    main(sys.argv[1:])
