"""The guide's loop: `schedule`, run_pending and a sleep.

    schedule_loop.py lateness SLEEP GRID PHASE...   a job every GRID seconds of the minute, in one process for each PHASE
    schedule_loop.py crowd SECOND JOBS BUSY         JOBS jobs due at that second of every minute, each busy for BUSY seconds
    schedule_loop.py quiet SLEEP                    one job a day

SLEEP is a number of seconds, or "idle" for schedule.idle_seconds(). PHASE is how many seconds later a process starts.
"""

import os
import sys
import time

import schedule
from due import began  # type: ignore[import-not-found] # beside this file in the image


def main(arguments: list[str]) -> None:
    """Register the jobs of the mode, then loop for ever."""
    mode, *rest = arguments
    if mode == "lateness":
        sleep, grid, *phases = rest
        fork_for_each(phases)
        for second in range(0, 60, int(grid)):
            schedule.every().minute.at(f":{second:02}").do(began, second, 60)
        loop(sleep)
    elif mode == "crowd":
        at, jobs, busy = rest
        for _ in range(int(jobs)):
            schedule.every().minute.at(f":{int(at):02}").do(work, int(at), float(busy))
        loop("idle")
    else:
        schedule.every().day.at("03:00").do(began, 3 * 3600, 86400)
        loop(rest[0])


def loop(sleep: str) -> None:
    """Do as the guides do. A negative idle time, which the library may give, would end the loop: it counts as none."""
    while True:
        schedule.run_pending()
        time.sleep(max(0.0, schedule.idle_seconds() or 0.0) if sleep == "idle" else float(sleep))


def fork_for_each(phases: list[str]) -> None:
    """Go on in one process for each phase, once its time has come; the first process itself takes the last one."""
    for phase in phases[:-1]:
        if os.fork() == 0:
            time.sleep(float(phase))
            return
    time.sleep(float(phases[-1]))


def work(second: int, busy: float) -> None:
    """Be a job that takes its time."""
    began(second, 60)
    time.sleep(busy)


if __name__ == "__main__":
    main(sys.argv[1:])
