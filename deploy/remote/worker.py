"""The process of a transaction: its end is written down, also after an error."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deploy.remote.docker_client import DockerClient
from deploy.remote.engine_api import EngineApi
from deploy.remote.files import lines_of, write_durably
from deploy.remote.plan import PlanError, TransactionPlan, read_plan
from deploy.remote.records import Records, TransactionRecord
from deploy.remote.transaction import Transaction

CarryOut = Callable[[TransactionPlan, Records, TransactionRecord, DockerClient], "tuple[str, str]"]


def run(folder: Path) -> int:
    """Carry a transaction out in a child; should that be killed, start what ran and say so. OSError if it has not begun."""
    record = TransactionRecord(folder)
    record.step("beginning")
    record.sign()
    child = os.fork()
    if child == 0:
        os._exit(attempt(folder, record))
    with contextlib.suppress(OSError):  # a full disk; as long as this process lives, it stands for the other
        write_durably(folder / "worker", f"{child}\n")
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        recover(
            folder, record, DockerClient(record.say, api=EngineApi()), f"its process was killed on the server ({name})"
        )
    return 0


def attempt(folder: Path, record: TransactionRecord, carry_out: CarryOut | None = None) -> int:
    """Carry a transaction out and write how it ended; return 0."""
    records = Records(folder.parent.parent)
    audit: Mapping[str, Any] = {"action": "deploy", "transaction": folder.name}
    release = ""
    try:
        plan = read_plan(folder)
        audit, release = plan.audit, plan.release
        outcome, reason = (carry_out or _carry_out)(plan, records, record, DockerClient(record.say, api=EngineApi()))
    except PlanError as error:
        outcome, reason = "refused", str(error)
    except BaseException as error:  # noqa: BLE001 - every end is written down
        record.say(traceback.format_exc())
        outcome, reason = "failed", f"{type(error).__name__}: {error}"
    if release and outcome in {"refused", "returned"} and not (records.release(release) / "done").exists():
        shutil.rmtree(records.release(release), ignore_errors=True)
    record.end(records, audit, outcome, reason)
    return 0


def _carry_out(
    plan: TransactionPlan, records: Records, record: TransactionRecord, docker: DockerClient
) -> tuple[str, str]:
    return Transaction(plan, records, record, docker).carry_out()


def recover(folder: Path, record: TransactionRecord, docker: DockerClient, why: str) -> None:
    """Start the containers that should run, after the process that saw to it has died."""
    started = [
        container
        for container in lines_of(folder / "ran")
        if docker.state(container)[0] in {"exited", "created"} and docker.ask("start", container).ok
    ]
    try:
        audit = read_plan(folder).audit
    except PlanError:
        audit = {"action": "deploy", "transaction": folder.name}
    said = f"; {len(started)} of the containers that ran were started again" if started else ""
    record.end(Records(folder.parent.parent), audit, "failed", f"{why}{said}")
