"""The transaction on the host: its files are brought there, it is started, and followed until it ends."""

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from deploy.errors import CommandError
from deploy.release.host_state import folder, script
from deploy.release.plan import Plan
from deploy.release.release import Release
from deploy.release.resolve import NO_FILE, Tree, environment_file
from deploy.ssh.connection import Connection

MODE = 0o600


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
    lines = [
        *(f"project {project}", f"release {plan.release.id}", f"by {by}", f"wait {'idle' if idle else 'soon'}"),
        *([f"previous {previous.id}"] if previous else []),
        *([f"strategies {','.join(plan.strategies)}"] if plan.strategies else []),
        *(f"{step} {name}" for step, name in plan.steps),
        *(f"remove {name}" for name in plan.remove),
    ]
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
    }
    return {
        "transaction/transaction.sh": script("transaction"),
        "transaction/plan": _lines(lines),
        "transaction/audit": json.dumps(said).removesuffix("}"),
    }


def upload(
    connection: Connection, files: Mapping[str, str], release: str, transaction: str, inherit: Sequence[str]
) -> None:
    """Bring the files over the connection's input; secrets are in no argument. `inherit`: services whose secrets stay."""
    command = ("sh", "-c", script("upload"), "openbell", folder(connection.host), release, transaction, *inherit)
    connection.check(command, input=packed(files), timeout=120, doing="storing the release")


def packed(files: Mapping[str, str]) -> bytes:
    """Return files as a tar, readable for their owner alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), MODE
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def follow(connection: Connection, transaction: str, tell: Callable[[str], None]) -> TransactionResult:
    """Tell each line of a transaction's log as it comes, and return how it ended. Problem if the connection is lost."""
    path = f"{folder(connection.host)}/transactions/{transaction}"
    command = ("sh", "-c", script("follow"), "openbell", path)
    process = connection.start(command)
    assert process.stdout  # noqa: S101 - a pipe
    ending = None
    for raw in process.stdout:
        line = raw.decode(errors="replace").rstrip("\n")
        ending = parse(line)
        if ending is None and not line.startswith("state "):
            tell(line)
    connection.must_live(process.wait(), ("following the deployment",))
    if ending is None:
        ending = TransactionResult(
            "interrupted", "it was cut off on the host, which may have been restarted: deploy again"
        )
    connection.check(("touch", f"{path}/told"), timeout=30)
    return ending


def parse(line: str) -> TransactionResult | None:
    """Return the ending that follow.sh's last line tells, or None if it tells none."""
    word, _, rest = line.removeprefix("state ").partition(" ")
    if not line.startswith("state ") or word != "ended":
        return None
    outcome, _, reason = rest.partition(" ")
    return TransactionResult(outcome, reason)


def explain(ending: TransactionResult, release: str, previous: str | None, host: str) -> CommandError | None:
    """Return what to tell of an ending that is not good, or None."""
    match ending.outcome:
        case "succeeded":
            return None
        case "refused":
            return CommandError(f"{host}: {release} was not deployed, and nothing was touched: {ending.reason}")
        case "returned":
            back = f"{previous} runs again" if previous else "nothing runs there, as before"
            return CommandError(f"{host}: {release} did not pass its gate, and {back}: {ending.reason}")
        case _:
            return CommandError(
                f"{host}: {release}: {ending.reason}; look there with `make status HOST={host}`, and deploy again"
            )


def _names(compose: Tree) -> list[str]:
    """Return the names of the files that a release's containers find on the host."""
    paths = [str(secret["file"]) for secret in (compose.get("secrets") or {}).values()]
    return [path.rpartition("/")[2] for path in paths if path != NO_FILE]


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
