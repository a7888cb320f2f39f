"""Which releases, images and transactions are kept when a release has taken over."""

from __future__ import annotations

import shutil

from deploy.remote.docker_client import DockerClient
from deploy.remote.files import reason_of, write_durably
from deploy.remote.plan import TransactionPlan
from deploy.remote.records import Records, TransactionRecord

RELEASES = 5  # that stay
TRANSACTIONS = 20


def kept(current: str, taken_over: list[str], number: int = RELEASES) -> set[str]:
    """Return which releases stay: the newest of those that took over, and the one that runs."""
    others = [one for one in taken_over if one != current]
    return {current, *others[max(0, len(others) - number + 1) :]}


def prune(records: Records, docker: DockerClient, plan: TransactionPlan, record: TransactionRecord) -> None:
    """Remove what is too old; what containers use stays, and what no deploy has brought."""
    removed: list[str] = []
    try:
        removed += _releases(records, plan.release)
        removed += _images(records, docker)
        _files(records)
        _transactions(records, record)
    except OSError as error:
        record.say(f"old releases could not be removed: {reason_of(error)}")
    if not removed:
        return
    record.say(f"pruned: {' '.join(removed)}")
    try:
        reason = f"removed {' '.join(removed)}"
        records.audit({"action": "prune", "by": plan.by, "outcome": "succeeded", "reason": reason})
    except OSError as error:
        record.say(f"the audit could not be written: {reason_of(error)}")


def _releases(records: Records, current: str) -> list[str]:
    stay = kept(current, [name for _, name in records.taken_over()])
    gone = []
    for folder in sorted((records.root / "releases").iterdir()):
        if folder.is_dir() and folder.name not in stay:
            shutil.rmtree(folder, ignore_errors=True)
            gone.append(folder.name)
    return gone


def _images(records: Records, docker: DockerClient) -> list[str]:
    wanted, gone, left = records.images_of_releases(), [], []
    for tag in records.shipped():
        used = tag in wanted or docker.ask("ps", "--all", "--quiet", "--filter", f"ancestor={tag}").text.strip()
        if used or (not docker.ask("rmi", tag).ok and docker.ask("image", "inspect", tag).ok):
            left.append(tag)
        else:
            gone.append(tag)
    write_durably(records.shipped_file, "".join(f"{tag}\n" for tag in left))
    return gone


def _files(records: Records) -> None:
    wanted = records.files_of_releases()
    for file in (records.root / "files").glob("*"):
        if file.name not in wanted:
            file.unlink()


def _transactions(records: Records, record: TransactionRecord) -> None:
    def begun(folder: object) -> float:
        path = records.root / "transactions" / str(folder) / "pid"
        return path.stat().st_mtime if path.exists() else 0.0

    folders = sorted((one.name for one in (records.root / "transactions").iterdir() if one.is_dir()), key=begun)
    for name in folders[:-TRANSACTIONS]:
        if name != record.folder.name:
            shutil.rmtree(records.root / "transactions" / name, ignore_errors=True)
