"""What a server runs and knows: its containers, its releases, how transactions went."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.remote.docker_client import SERVICE, DockerClient
from deploy.remote.files import read_text
from deploy.remote.plan import FINGERPRINT
from deploy.remote.records import Records, TransactionRecord
from deploy.remote.reloads import fingerprint_of

POLL = 0.1  # seconds


def state(records: Records, docker: DockerClient, project: str, which: str = "all") -> dict[str, Any]:
    """Return the containers, the releases that have taken over, and the last transaction if its end was not reported.

    which: "current" for the one release that runs, whose record is all that a deploy compares with.
    """
    current = records.current()
    found: dict[str, Any] = {
        "containers": [
            {"id": one["Id"], "state": one["State"]["Status"], "labels": _ours(docker, one)}
            for one in docker.inspect_project(project)
        ],
        "releases": [
            {"sequence": number, "record": read_text(records.release(name) / "release.json")}
            for number, name in records.taken_over()
            if which == "all" or name == current
        ],
        "current": current,
    }
    last = last_transaction(records)
    if last is not None and not (last.folder / "told").exists():
        found["untold"] = {"transaction": last.folder.name, "state": last.state, "rebooted": last.rebooted}
    return found


def _ours(docker: DockerClient, attributes: dict[str, Any]) -> dict[str, str]:
    """Return the labels that say something to us; Compose has many of its own."""
    labels: Mapping[str, str] = attributes["Config"].get("Labels") or {}
    ours = {name: text for name, text in labels.items() if name == SERVICE or name.startswith("openbell.")}
    return ours | ({FINGERPRINT: fingerprint_of(docker, attributes)} if FINGERPRINT in ours else {})


def last_transaction(records: Records) -> TransactionRecord | None:
    """Return the transaction that was started last, by the server's own clock."""
    begun = [(path.stat().st_mtime, path.parent) for path in (records.root / "transactions").glob("*/pid")]
    return TransactionRecord(max(begun)[1]) if begun else None


def follow(record: TransactionRecord, tell: Callable[[str], None]) -> dict[str, Any]:
    """Tell each line of a transaction's log until it has ended; return its last state."""
    position, rest = 0, b""
    while True:
        alive = record.alive
        some = _from(record.folder / "log", position)
        position += len(some)
        *lines, rest = (rest + some).split(b"\n")
        for line in lines:
            tell(line.decode(errors="replace"))
        if not alive and not some:
            return {"state": record.state, "rebooted": record.rebooted}
        time.sleep(POLL)


def _from(path: Path, position: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(position)
            return file.read()
    except OSError:
        return b""


def containers(docker: DockerClient, project: str) -> Sequence[dict[str, Any]]:
    """Return the project's containers as the engine describes them, with the last line of those that are not well."""
    found = [_checked(docker, one) for one in docker.inspect_project(project)]
    return [{"attributes": _without_environment(one), "last_line": _last_line(docker, one)} for one in found]


def _checked(docker: DockerClient, attributes: dict[str, Any]) -> dict[str, Any]:
    """Ask what the engine asks only at the end of its interval, where it has no answer yet or a bad one."""
    state = attributes["State"]
    test = (attributes["Config"].get("Healthcheck") or {}).get("Test") or ["NONE"]
    words = ["/bin/sh", "-c", *test[1:]] if test[0] == "CMD-SHELL" else test[1:]
    is_in_doubt = state["Status"] == "running" and (state.get("Health") or {}).get("Status") in {
        "starting",
        "unhealthy",
    }
    if not is_in_doubt or not words or not docker.execute(str(attributes["Id"]), *words).ok:
        return attributes
    return {**attributes, "State": {**state, "Health": {**state["Health"], "Status": "healthy"}}}


def _without_environment(attributes: dict[str, Any]) -> dict[str, Any]:
    """Leave out the environment: it has secrets."""
    config = {key: value for key, value in attributes["Config"].items() if key != "Env"}
    return {**attributes, "Config": config}


def _last_line(docker: DockerClient, attributes: dict[str, Any]) -> str:
    health = (attributes["State"].get("Health") or {}).get("Status", "")
    if attributes["State"]["Status"] == "running" and health in {"healthy", "starting", ""}:
        return ""
    lines = docker.logs(str(attributes["Id"]), 1).splitlines()
    return lines[-1] if lines else ""
