"""The limit: a loop that does nothing but wake at its deadlines.

limit_loop.py lateness PHASE          prints at every second, PHASE seconds past it
limit_loop.py sync PHASE              the same, once a page of a file has reached the disk
limit_loop.py crowd PHASE GRID JOBS   forks JOBS processes every GRID seconds, PHASE seconds past it; each prints
"""

import os
import sys
import time

from due import began  # type: ignore[import-not-found] # beside this file in the image


def main(arguments: list[str]) -> None:
    """Loop for ever."""
    mode, phase, *rest = arguments
    period, jobs = (int(rest[0]), int(rest[1])) if mode == "crowd" else (1, 0)
    file = os.open("page", os.O_RDWR | os.O_CREAT)
    while True:
        now = time.time()
        time.sleep(period - (now - float(phase)) % period)
        if jobs:
            fork(jobs, float(phase), period)
        else:
            if mode == "sync":
                os.pwrite(file, os.urandom(4096), 0)
                os.fdatasync(file)
            began(float(phase), period)


def fork(jobs: int, phase: float, period: int) -> None:
    """Let as many processes say when they began, and reap them."""
    for _ in range(jobs):
        if os.fork() == 0:
            began(phase, period)
            os._exit(0)
    for _ in range(jobs):
        os.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
