"""The program's command line on the server: which command does what, and what it prints."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from deploy.remote import data, host_queries, images, worker
from deploy.remote.docker_client import DockerClient, DockerError
from deploy.remote.engine_api import EngineApi
from deploy.remote.files import read_text, reason_of
from deploy.remote.receive import receive
from deploy.remote.records import Records, TransactionRecord
from deploy.remote.rest import Rest
from deploy.remote.session import CommandResult, Lines, Lock, serve
from deploy.remote.survey import SCRIPT

# Where a login without a terminal may not look: sbin, and what snap installs.
PATHS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/snap/bin")
Command = Callable[..., Any]  # returns its exit code, or None if it succeeded


def main(words: Sequence[str], program: str = "") -> int:
    """Run one command, or all that a peer asks for; what goes wrong is a line on standard error and exit code 1."""
    os.umask(0o077)
    os.environ["PATH"] = ":".join(dict.fromkeys([*os.environ.get("PATH", "").split(":"), *PATHS]))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr] # of a process they can
    return serve_peer(program) if words[0] == "serve" else _run(COMMANDS, words)


def serve_peer(program: str) -> int:
    """Answer what a peer asks until it is gone; it may hold the lock."""
    lock = Lock(program, Rest(_docker()))
    own: Mapping[str, Command] = {
        "lock": lambda root: _say(lock.acquire(Path(root).absolute(), sys.stdin.read())),
        "unlock": lock.free,
        "deliver": _deliver_given,
        "start": lock.start,
        "stop": lock.stop,
        "stay": lock.stay,
        "again": lock.again,
    }
    try:
        serve(Lines(), lambda words, given: _captured({**COMMANDS, **own}, words, given))
    finally:
        lock.free()
    return 0


def _captured(commands: Mapping[str, Command], words: Sequence[str], given: str) -> CommandResult:
    out, err = io.StringIO(), io.StringIO()
    sys.stdin = io.StringIO(given)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = _run(commands, words)
    return CommandResult(code, out.getvalue(), err.getvalue())


def _run(commands: Mapping[str, Command], words: Sequence[str]) -> int:
    try:
        return commands[words[0]](*words[1:]) or 0
    except OSError as error:
        return _fail(reason_of(error))
    except (DockerError, ValueError) as error:
        return _fail(str(error))


def _fail(reason: str) -> int:
    print(f"openbell: {reason}", file=sys.stderr)
    return 1


def _docker() -> DockerClient:
    return DockerClient(lambda line: print(line, file=sys.stderr), api=EngineApi())


def _records(root: str) -> Records:
    return Records(Path(root).absolute())


def _record(root: str, transaction: str) -> TransactionRecord:
    return TransactionRecord(_records(root).root / "transactions" / transaction)


def _print(content: Any) -> int:
    print(json.dumps(content), flush=True)
    return 0


def _say(text: str) -> int:
    print(text)
    return 0


def _receive(root: str, release: str, transaction: str, *inherit: str) -> int:
    receive(_records(root), json.loads(sys.stdin.read()), release, transaction, inherit, _docker())
    return 0


def _follow(root: str, transaction: str) -> int:
    ended = host_queries.follow(_record(root, transaction), lambda line: print(f"log {line}", flush=True))
    print(f"end {json.dumps(ended)}", flush=True)
    return 0


def _delivered(root: str, transaction: str) -> int:
    (_record(root, transaction).folder / "told").touch()
    return 0


def _begun(root: str, transaction: str) -> int:
    return 0 if _record(root, transaction).has_begun else 1


def _add_audit(root: str) -> int:
    records = _records(root)
    records.root.mkdir(parents=True, exist_ok=True)
    records.audit(json.loads(sys.stdin.read()))
    return 0


def _audit(root: str) -> int:
    sys.stdout.write(read_text(_records(root).audit_file))
    return 0


def _current(root: str, name: str) -> int:
    sys.stdout.write((_records(root).root / "current" / name).read_text(encoding="utf-8"))
    return 0


def _deliver(compression: str, size: str, wanted: str, source: int = 0) -> int:
    said = images.load(compression, int(size), source) if int(size) else ""
    lines = [said] if said else images.verify(_docker(), json.loads(wanted))
    for line in lines:
        print(f"openbell: {line}", flush=True)
    return 1 if lines else 0


def _deliver_given(compression: str, size: str, wanted: str) -> int:
    """Take the bytes out of a question, as base64, and keep them in memory: the disk may be full."""
    with os.fdopen(os.memfd_create("images"), "r+b", buffering=0) as cargo:
        cargo.write(base64.b64decode(sys.stdin.read()))
        cargo.seek(0)
        return _deliver(compression, size, wanted, cargo.fileno())


def _page(address: str, seconds: str, project: str) -> int:
    try:
        with build_opener(ProxyHandler({})).open(address, timeout=float(seconds)) as answer:
            sys.stdout.write(answer.read().decode())
    except HTTPError as error:
        with error:
            if error.code not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                raise
        return _ask_inside(project)
    return 0


def _ask_inside(project: str) -> int:
    """Print the page's answer as the supervisor's container gets it, which knows the token that the page asks for."""
    for container in _docker().containers(project, "supervisor"):
        answer = _docker().execute(container.id, "openbell", "status", "--json", seconds=30)
        sys.stdout.write(answer.text)
        return 0
    return _fail("no supervisor runs there")


def _facts() -> int:
    answer = subprocess.run(("sh", "-s"), input=SCRIPT.encode(), capture_output=True, check=False)
    sys.stdout.write(answer.stdout.decode(errors="replace"))
    return answer.returncode


def _under_way(seconds: str, *containers: str) -> int:
    """Print the runs in progress and the slots due soon of these containers."""
    for container in containers:
        answer = _docker().execute(container, "openbell", "idle", "--look", "--within", seconds, seconds=30)
        if answer.ok:
            sys.stdout.write(answer.text)
    return 0


COMMANDS: Mapping[str, Command] = {
    "run": lambda folder: worker.run(Path(folder)),
    "receive": _receive,
    "follow": _follow,
    "told": _delivered,
    "begun": _begun,
    "facts": _facts,
    "state": lambda root, project, *which: _print(host_queries.state(_records(root), _docker(), project, *which)),
    "containers": lambda project: _print(host_queries.containers(_docker(), project)),
    "under-way": _under_way,
    "add-audit": _add_audit,
    "audit": _audit,
    "current": _current,
    "images": lambda: _print(images.inventory(_docker())),
    "deliver": _deliver,
    "page": _page,
    "data": lambda root, project, *words: data.handle(_records(root), _docker(), project, *words),
}
