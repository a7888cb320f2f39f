"""`python -m tests.unit.supervisor.simulation [--year] [--seed 1]`: print what the watch found, missed and made up."""

import argparse
import sys
from datetime import timedelta
from functools import partial

from tests.unit.supervisor.simulation.history import Size
from tests.unit.supervisor.simulation.year import simulate


def main() -> int:
    """Run the histories that the command line asks for; return 1 if one has a mistake."""
    parser = argparse.ArgumentParser(description="simulate a fleet of bots, its bad luck, and the watch over it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many, from --seed on")
    parser.add_argument("--bots", type=int, default=1000)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--faults", type=float, help="happenings a day in the whole fleet")
    parser.add_argument("--dense", action="store_true", help="step whenever the watch asks for it")
    parser.add_argument("--year", action="store_true", help="the same as --days 365")
    options = parser.parse_args()
    length = timedelta(days=365 if options.year else options.days)
    size = Size(options.bots, length, options.faults or options.bots / 80, dense=options.dense)
    clean = True
    for seed in range(options.seed, options.seed + options.seeds):
        score = simulate(seed, size, partial(print, flush=True))
        print(score, flush=True)
        clean = clean and score.is_clean
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
