"""Runs inside APScheduler's image: one pass over 1,000 registered jobs of which none is due. Prints as idle_pass.py does."""

import json
import sys
import time
from datetime import UTC

from apscheduler.schedulers.background import BackgroundScheduler


def main(jobs: int, passes: int) -> None:
    """Measure what its thread does when it wakes."""
    scheduler = BackgroundScheduler(timezone=UTC)
    for _ in range(jobs):
        scheduler.add_job(print, "interval", hours=6)
    scheduler.start()
    seconds: list[float] = []
    for _ in range(passes + 20):
        start = time.perf_counter()
        scheduler._process_jobs()
        seconds.append(time.perf_counter() - start)
    scheduler.shutdown()
    print(json.dumps({"APScheduler, _process_jobs": seconds[20:]}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
