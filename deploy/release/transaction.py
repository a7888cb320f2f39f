"""The transaction on the host: its files are brought there, it is started, and followed until it ends."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from deploy.errors import CommandError
from deploy.log import Log
from deploy.release import provenance
from deploy.release.host_state import HostState, folder
from deploy.release.lock import HostLock, LockHeldError
from deploy.release.plan import Plan
from deploy.release.release import BROUGHT, NO_FILE, Release, Tree, environment_file
from deploy.ssh import program
from deploy.ssh.connection import Connection


@dataclass(frozen=True)
class TransactionResult:
    """How a transaction ended: succeeded; refused (nothing was touched); returned (to the release before); failed."""

    outcome: str
    reason: str

    @property
    def is_good(self) -> bool:
        """Whether the release took over."""
        return self.outcome == "succeeded"


def release_files(
    release: Release, compose: Tree, environment: Mapping[str, Mapping[str, str]], kept: Mapping[str, str]
) -> dict[str, str]:
    """Return the files of a release's record, by their paths in the upload. The secrets are in files of their own."""
    files = {
        "release/compose.yaml": json.dumps(compose, indent=1),
        "release/release.json": release.to_json() + "\n",
        "release/services": _lines(release.services),
        "release/files": _lines(sorted(_names(compose))),
        "release/images": _lines(sorted({service.image for service in release.services.values()})),
    }
    files |= {f"files/{name}": content for name, content in kept.items()}
    return files | {
        f"release/secrets/{name}.json": environment_file(name, values) for name, values in environment.items() if values
    }


def transaction_files(
    plan: Plan, previous: Release | None, host: str, project: str, by: str, action: str, *, idle: bool
) -> dict[str, str]:
    """Return the files of a transaction, by their paths in the upload."""
    said = {
        "action": action,
        "release": plan.release.id,
        "previous": previous.id if previous else None,
        "services": list(plan.recreate),
        "removed": list(plan.remove),
        "by": by,
        "host": host,
        "commit": plan.release.commit,
        "dirty": plan.release.dirty,
        **({"renamed": dict(plan.renames)} if plan.renames else {}),
    }
    content = {
        "project": project,
        "release": plan.release.id,
        "previous": previous.id if previous else None,
        "by": by,
        "wait_for_idle": idle,
        "steps": plan.steps,
        "remove": plan.remove,
        "hosted": {
            name: list(service.manifests) for name, service in plan.release.services.items() if service.manifests
        },
        "strategies": plan.strategies,
        "renames": dict(plan.renames),
        "audit": said,
    }
    return {"transaction/plan.json": json.dumps(content, indent=1) + "\n"}


def upload(
    connection: Connection, files: Mapping[str, str], release: str, transaction: str, inherit: Sequence[str]
) -> None:
    """Bring the files over the connection's input; secrets are in no argument. `inherit`: services whose secrets stay."""
    words = ("receive", folder(connection.host), release, transaction, *inherit)
    program.ask(connection, *words, input=json.dumps(files), timeout=120, doing="storing the release")


def follow(connection: Connection, transaction: str, tell: Callable[[str], None]) -> TransactionResult:
    """Report each line of a transaction's log as it comes, and return how it ended. CommandError if the connection is lost."""
    root = folder(connection.host)
    process = program.start(connection, "follow", root, transaction)
    assert process.stdin  # noqa: S101 - a pipe
    assert process.stdout  # noqa: S101 - a pipe
    process.stdin.close()
    ended = None
    for raw in process.stdout:
        word, _, rest = raw.decode(errors="replace").rstrip("\n").partition(" ")
        if word == "log":
            tell(rest)
        elif word == "end":
            ended = json.loads(rest)
    code = process.wait()
    connection.must_live(code, ("following the deployment",))
    if ended is None:
        msg = f"{connection.host.name}: the deployment could not be followed (exit code {code})"
        raise CommandError(msg)
    program.ask(connection, "told", root, transaction, timeout=30)
    return parse(ended["state"], rebooted=ended["rebooted"])


def parse(state: str, *, rebooted: bool = False) -> TransactionResult:
    """Return how a transaction ended, from the last state that it wrote."""
    word, _, rest = state.partition(" ")
    if word == "ended":
        outcome, _, reason = rest.partition(" ")
        return TransactionResult(outcome, reason)
    where = f"while {rest}" if word == "running" else "at its start"
    why = "the server was restarted" if rebooted else "its process on the server ended without a message"
    return TransactionResult("interrupted", f"it was cut off {where}: {why}")


def explain(ending: TransactionResult, release: str, previous: str | None, host: str) -> CommandError | None:
    """Return the error for an ending that is not good, or None."""
    match ending.outcome:
        case "succeeded":
            return None
        case "refused":
            return CommandError(f"{host}: {release} was not deployed, and nothing was touched: {ending.reason}")
        case "returned":
            back = f"{previous} runs again" if previous else "nothing runs there, as before"
            return CommandError(f"{host}: {release} did not pass its gate, and {back}: {ending.reason}")
        case "interrupted":
            return CommandError(
                f"{host}: {release}: {ending.reason}; what was started last runs on by itself: `make status HOST={host}` "
                "shows it, and another deploy completes it"
            )
        case _:
            return CommandError(
                f"{host}: {release}: {ending.reason}; look there with `make status HOST={host}`, and deploy again"
            )


def _names(compose: Tree) -> list[str]:
    """Return the names of the files that a release's containers find on the host."""
    paths = [str(one["file"]) for kind in BROUGHT for one in (compose.get(kind) or {}).values()]
    return [path.rpartition("/")[2] for path in paths if path != NO_FILE]


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def run(connection: Connection, session: HostLock, name: str, release: Release, there: HostState, log: Log) -> int:
    """Start the transaction and follow it to its end."""
    session.start(name)
    ending = _follow(connection, name, log)
    before = there.current.id if there.current else "what ran before" if there.containers else None
    problem = explain(ending, release.id, before, connection.host.name)
    if problem:
        raise problem
    log.info("the release runs", release=release.id, host=connection.host.name)
    return 0


def attach(connection: Connection, held: LockHeldError, log: Log) -> int:
    """Follow the transaction that holds the lock if it is this user's own; otherwise say who has it."""
    host = connection.host.name
    if held.by != provenance.who() or not held.transaction or not _has_begun(connection, held.transaction):
        msg = f"{host}: {held}: wait until it is done, and try again"
        raise CommandError(msg)
    log.info("attached to the deployment that is in progress", purpose=held.purpose, since=held.since)
    ending = _follow(connection, held.transaction, log)
    if problem := explain(ending, held.transaction, None, host):
        raise problem
    log.info("it succeeded; for what has changed here since, run the command again", purpose=held.purpose)
    return 0


def report_the_last(connection: Connection, there: HostState, log: Log) -> None:
    """Say how the last transaction ended, if its end was not reported when it came."""
    if there.untold is None:
        return
    ending = parse(there.untold.state, rebooted=there.untold.rebooted)
    said = f"{ending.outcome} {ending.reason}".strip()
    log.info("the previous deployment, which was not watched to its end", release=there.untold.transaction, ended=said)
    program.ask(connection, "told", folder(connection.host), there.untold.transaction, timeout=30)


def _follow(connection: Connection, name: str, log: Log) -> TransactionResult:
    """Follow a transaction; it continues on the server if this command ends."""
    host = connection.host.name
    goes_on = (
        f"{host}: the deployment continues on the server; `make deploy HOST={host}` follows it or reports how it ended"
    )
    try:
        return follow(connection, name, log.info)
    except KeyboardInterrupt:
        raise CommandError(goes_on, 130) from None
    except CommandError as problem:
        msg = f"{problem}\nopenbell: {goes_on}"
        raise CommandError(msg) from None


def _has_begun(connection: Connection, name: str) -> bool:
    return program.attempt(connection, "begun", folder(connection.host), name, timeout=30).code == 0
