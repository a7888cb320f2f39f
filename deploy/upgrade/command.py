"""`make upgrade`: replaces this version of the kit by another one, and returns to it if that does not work."""

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy import processes, scratch
from deploy.data import backups, installation
from deploy.docker import generated
from deploy.errors import CommandError
from deploy.log import Log, log_to_stdout
from deploy.settings import Settings, strategies_folder, values
from deploy.target import here
from deploy.upgrade import checkout

CHANGELOG = "CHANGELOG.md"
# What make hands to a make that it starts: the values of this command are none of the next one's.
_OF_MAKE = frozenset({"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "OPENBELL_GIVEN", "TO", "DRY_RUN"})


def upgrade(settings: Settings, options: Namespace) -> int:
    """Show what changes, make a backup, put the version in place, and return to this one if it does not work."""
    log = log_to_stdout(settings.log)
    before = checkout.position()
    checkout.fetch(log)
    commit = checkout.find(options.to, before)
    if commit == before.commit:
        print(f"Nothing to do: {commit[:12]} is what is here.")
        return 0
    _show(before.commit, commit)
    _manifests_must_pass(commit)
    if options.dry_run:
        return 0
    runs = _runs(settings)
    saved = _backup(settings)
    with _back_if_it_fails(before, log, saved, runs=runs):
        checkout.go(commit, before)
        log.info("building, starting and checking it" if runs else "checking it", commit=commit[:12])
        if code := _make("up" if runs else "check"):
            msg = f"`make {'up' if runs else 'check'}` of {commit[:12]} failed, for the reason above"
            raise CommandError(msg, code)
    print(
        f"openbell: {commit[:12]} is in place; {'' if runs else '`make up` starts it, and '}`make deploy HOST=...` brings it to a server"
    )
    return 0


def _show(before: str, after: str) -> None:
    print(f"openbell: from {before[:12]} to {after[:12]}:\n")
    entries = news(checkout.text(before, CHANGELOG), checkout.text(after, CHANGELOG))
    print("\n".join(entries or ["CHANGELOG.md has nothing new."]) + "\n", flush=True)


def _manifests_must_pass(commit: str) -> None:
    """Raise CommandError if that version asks for a change of a manifest, or does not know all that one says."""
    strategies = strategies_folder()
    with scratch.folder() as folder:
        shutil.copytree(strategies, folder / "strategies", ignore=shutil.ignore_patterns("__pycache__", ".*"))
        checkout.export(commit, ("images",) if generated.is_own(strategies) else ("images", "strategies"), folder)
        words = (sys.executable, "-m", "openbell", "check", "--strategies", str(folder / "strategies"))
        environment = {**os.environ, "PYTHONPATH": str(folder / "images")}
        done = processes.piped(processes.Command(words, environment), None)
    if not done.code:
        return
    if "Traceback" in done.errors:
        print("openbell: that version needs packages that are not here yet: strategies are checked once they are")
        return
    print(done.errors.rstrip(), file=sys.stderr)
    msg = f"nothing was changed: change what the lines above name, for {commit[:12]}, and try again"
    raise CommandError(msg)


def _runs(settings: Settings) -> bool:
    """Tell whether anything runs here; CommandError if something that runs is not well already."""
    found = [one for one in here(settings, values(Path(".env"), os.environ)).services() if one.state != "exited"]
    for one in found:
        if not one.well:
            msg = f"nothing was changed: {one.name} is not well, so a check could not tell what the upgrade did: see `make ps`"
            raise CommandError(msg)
    return bool(found)


def _backup(settings: Settings) -> Path | None:
    """Write a backup of what is here, if anything is, and return the file."""
    there = installation.local(settings)
    return backups.to_own_folder(there) if there.has_data() else None


@contextmanager
def _back_if_it_fails(before: checkout.Position, log: Log, saved: Path | None, *, runs: bool) -> Iterator[None]:
    try:
        yield
    except (CommandError, KeyboardInterrupt) as problem:
        log.info("going back", commit=before.commit[:12])
        checkout.restore(before)
        why = str(problem) or "interrupted"
        if runs and _make("up"):
            # Data are not put back by themselves: slots may have run meanwhile, and would run again.
            msg = f"{why}; {before.commit[:12]} is back, but does not run either: `make up` says why; `make restore FROM={saved}` puts the data back as they were"
        else:
            msg = f"{why}; {before.commit[:12]} is back{' and runs' if runs else ''}"
        raise CommandError(msg) from None


def _make(target: str) -> int:
    return processes.run(("make", target), {key: value for key, value in os.environ.items() if key not in _OF_MAKE})


def news(before: str, after: str) -> list[str]:
    """Return the entries of `after` that `before` does not have, below their headings; entries that moved are not new."""
    known = {text for _, text in _entries(before)}
    lines: list[str] = []
    shown: tuple[str, ...] = ()
    for headings, text in _entries(after):
        if text not in known:
            lines += headings[len(shown) if headings[: len(shown)] == shown else _common(headings, shown) :]
            lines.append(text)
            shown = headings
    return lines


def _entries(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each entry on one line, with the headings that it stands under."""
    headings: tuple[str, ...] = ()
    entry: list[str] = []
    for line in [*text.splitlines(), ""]:
        if entry and line.startswith("  "):
            entry.append(line.strip())
            continue
        if entry:
            yield headings, " ".join(entry)
            entry = []
        if line.startswith("## "):
            headings = (line,)
        elif line.startswith("### "):
            headings = (*headings[:1], line)
        elif line.startswith("- "):
            entry = [line.rstrip()]


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    return next((at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), 0)
