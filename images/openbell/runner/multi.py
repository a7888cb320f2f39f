"""`openbell host`: many strategies in one container, each with a loop and a process of its own.

The processes are forked from one interpreter and share what it has loaded, so a strategy costs a few megabytes less than
in a container of its own. What they share beside that is the container: its memory limit, its packages and its start.
A strategy that dies takes no other with it, and is started again with growing pauses. A deploy that changes a strategy's
folder has its new loop started beside the old one, whose lock it waits for; the others are not touched (see `reloads`).
"""

import gc
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from openbell import reloads
from openbell.command_parser import command_parser
from openbell.manifest import Manifest, ManifestError, load, strategy_folders
from openbell.records import dataclass
from openbell.restarts import NOW, Restart
from openbell.runner import service
from openbell.strategy_user import become

RAN_WELL = 60.0  # seconds; a loop that lived so long is started again soon
LONGEST_WAIT = 60.0  # seconds without a signal; a loop that ends sends one
STOPS = frozenset({signal.SIGTERM, signal.SIGINT})
AWAITED = STOPS | {signal.SIGCHLD, reloads.SIGNAL}


@dataclass
class ManagedLoop:
    """One strategy's loop."""

    folder: Path
    environment: Mapping[str, str]
    process: int | None = None
    restart: Restart = NOW
    release: str = ""  # of its folder when it was first started
    leaves: bool = False  # whether it was told to end for good


def main(arguments: Sequence[str]) -> int:
    """Run the strategies that are named, or all below $OPENBELL_STRATEGIES, until SIGTERM; return the exit code."""
    parser = command_parser("host")
    parser.add_argument(
        "strategies", nargs="*", help="folders below $OPENBELL_STRATEGIES; all of them if none is named"
    )
    wished = parser.parse_args(arguments).strategies
    root = reloads.current(os.environ)
    folders = {folder.name: folder for folder in strategy_folders(root)} if root.is_dir() else {}
    unknown = [name for name in wished if name not in folders]
    if unknown or not folders:
        found = f'found "{unknown[0]}"' if unknown else "found no strategy"
        print(f"openbell host: {found}; below {root} there is: {', '.join(folders) or 'nothing'}", file=sys.stderr)
        return 2
    names = wished or list(folders)
    hosted = _loops(root, names)
    # Awaited rather than handled: a loop that is just being forked cannot take a stop that was meant for it as ours.
    signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
    # What is loaded by now stays shared with the loops instead of being copied at their first collection.
    gc.collect()
    gc.freeze()
    while True:
        now = time.monotonic()
        hosted = step(hosted, now)
        starts = [one.restart.at - now for one in hosted if one.process is None]
        came = signal.sigtimedwait(AWAITED, max(0.0, min([LONGEST_WAIT, *starts])))
        if came is not None and came.si_signo in STOPS:
            break
        if came is not None and came.si_signo == reloads.SIGNAL:
            hosted = followed(hosted, _wanted(names))
    _end(hosted)
    return 0


def _loops(root: Path, names: Sequence[str]) -> list[ManagedLoop]:
    folders = [root / name for name in names if (root / name).is_dir()]
    return [ManagedLoop(one, own, release=reloads.release(one)) for one, own in environments(folders, os.environ)]


def _wanted(names: Sequence[str]) -> list[ManagedLoop]:
    """Return the loops that are wanted now; what is beside them only where its folder is another one."""
    loops = _loops(reloads.current(os.environ), names)
    beside = reloads.wanted(os.environ, reloads.BESIDE)
    has = {(one.folder.name, one.release) for one in loops}
    more = _loops(beside, names) if beside else []
    return loops + [one for one in more if (one.folder.name, one.release) not in has]


def followed(hosted: Iterable[ManagedLoop], wanted: Iterable[ManagedLoop]) -> list[ManagedLoop]:
    """Return the loops that there are from now on: those that stay, new ones, and old ones that were told to end."""
    keys = {(one.folder.name, one.release): one for one in wanted}
    found = []
    for one in hosted:
        if one.leaves or keys.pop((one.folder.name, one.release), None) is not None:
            found.append(one)
        elif one.process is not None:
            one.leaves = True
            os.kill(one.process, signal.SIGTERM)
            found.append(one)
    return found + list(keys.values())


def environments(folders: Iterable[Path], environment: Mapping[str, str]) -> list[tuple[Path, dict[str, str]]]:
    """Return each strategy's environment: its own secrets, none of the others', and its zone as the clock's."""
    manifests: dict[Path, Manifest | None] = {}
    for folder in folders:
        try:
            manifests[folder] = load(folder)
        except ManifestError:
            manifests[folder] = None  # its own loop says what is wrong with it
    secrets = {name for manifest in manifests.values() if manifest is not None for name in manifest.secrets}
    found = []
    for folder, manifest in manifests.items():
        own = set(manifest.secrets) if manifest is not None else set()
        kept = {name: value for name, value in environment.items() if name not in secrets or name in own}
        kept |= {"OPENBELL_STRATEGY": folder.name, "OPENBELL_FOLDER": str(folder)}
        found.append((folder, kept | {"TZ": manifest.timezone if manifest is not None else "UTC"}))
    return found


def step(hosted: Iterable[ManagedLoop], now: float) -> list[ManagedLoop]:
    """See which loops have ended, and start what is to run; return those that are left."""
    stay = []
    for one in hosted:
        if one.process is not None:
            ended, status = os.waitpid(one.process, os.WNOHANG)
            if ended and one.leaves:
                print(
                    f"openbell host: {one.folder.name}: the loop of {one.release} has ended",
                    file=sys.stderr,
                    flush=True,
                )
                continue
            if ended:
                _has_ended(one, os.waitstatus_to_exitcode(status), now)
        if one.process is None and now >= one.restart.at:
            one.process, one.restart = _start(one), one.restart.started(now)
        stay.append(one)
    return stay


def _has_ended(one: ManagedLoop, code: int, now: float) -> None:
    one.process, one.restart = None, one.restart.ended(now, RAN_WELL)
    line = (
        f"openbell host: {one.folder.name} ended with exit code {code}; it is started again in {one.restart.pause:g} s"
    )
    print(line, file=sys.stderr, flush=True)


def _start(one: ManagedLoop) -> int:
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, AWAITED)
        os.environ.clear()
        os.environ.update(one.environment)
        time.tzset()
        become(one.folder.name)
        code = service.main([])
    except BaseException as error:  # noqa: BLE001 - a fork that leaked out of here would be a second host
        print(f"openbell host: {one.folder.name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        sys.stdout.flush()
        os._exit(code)


def _end(hosted: Iterable[ManagedLoop]) -> None:
    """Let every loop drain; the engine's own patience is the limit."""
    running = [one for one in hosted if one.process is not None]
    for one in running:
        if one.process is not None:
            os.kill(one.process, signal.SIGTERM)
    for one in running:
        if one.process is not None:
            os.waitpid(one.process, 0)
