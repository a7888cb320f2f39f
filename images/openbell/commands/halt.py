"""`openbell halt`: no strategy sends an order any more, from now on until `openbell unhalt`; each loop is asked whether it obeys."""

import os
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from openbell import answers, clock, foreign_files, heartbeat
from openbell.command_parser import command_parser
from openbell.control import Halt
from openbell.desired_state import CANNOT_KEEP, halt

PATIENCE = 15.0  # seconds for all loops to answer; each looks within 5 s
POLL_INTERVAL = 0.1  # seconds


def main(arguments: Sequence[str]) -> int:
    """Store the halt and read back who obeys it; return 1 if it cannot be stored or a running loop does not answer."""
    parser = command_parser("halt")
    parser.add_argument("--reason", required=True)
    parser.add_argument("--by", default="make halt")
    parser.add_argument("--exits", action="store_true", help="orders that reduce what is held may still be sent")
    parser.add_argument("--wait", type=float, default=PATIENCE, help="seconds for the loops to answer")
    options = parser.parse_args(arguments)
    root = Path(os.environ.get("OPENBELL_CONTROL", "/control"))
    journal = Path(os.environ.get("OPENBELL_JOURNAL", "/journal"))
    try:
        held = halt(root, Halt(clock.now(), options.by, options.reason, options.exits))
    except CANNOT_KEEP as error:
        print(f"NOT halted: {root} cannot be written: {error}", file=sys.stderr)
        return 1
    what = "an order that adds to what is held" if options.exits else "an order"
    print(
        f"halted: no strategy sends {what} until `make unhalt`; orders at the brokers stay as they are",
        flush=True,
    )
    return _confirm(journal, held, time.monotonic() + options.wait)


def _confirm(journal: Path, held: Halt | None, until: float) -> int:
    """Wait for the loops' answers, and print who has given one."""
    while True:
        obeys = {name: _obeys(journal / name, held) for name in _running(journal)}
        if all(obeys.values()) or time.monotonic() >= until:
            break
        time.sleep(POLL_INTERVAL)
    if not obeys:
        print("no loop is running")
        return 0
    if said := [name for name, does in obeys.items() if does]:
        print(f"acknowledged by: {', '.join(said)}")
    if silent := [name for name, does in obeys.items() if not does]:
        print(
            f"NOT acknowledged by: {', '.join(silent)}: their loops beat and did not answer; see `make logs`, or stop them "
            "with `docker compose stop`",
            file=sys.stderr,
        )
        return 1
    return 0


def _running(journal: Path) -> list[str]:
    """Return the strategies whose loops beat."""
    try:
        names = foreign_files.folders(journal)
    except OSError:
        return []
    now, found = clock.now(), []
    for name in names:
        beat = heartbeat.read(journal / name)
        if beat is not None and abs(now - beat.timestamp) <= timedelta(seconds=heartbeat.OLD):
            found.append(name)
    return found


def _obeys(folder: Path, held: Halt | None) -> bool:
    """Tell whether the loop that beats has answered with this halt."""
    beat, answered = heartbeat.read(folder), answers.read(folder)
    return beat is not None and answered.boot_id == beat.boot_id and answered.halt == held
