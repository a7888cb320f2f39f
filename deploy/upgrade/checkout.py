"""The kit's folder as git sees it: what changed here, what there is to go to, and the way there and back."""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from deploy import processes
from deploy.errors import CommandError
from deploy.log import Log


@dataclass(frozen=True)
class Position:
    """Where a checkout stands: a commit, and its branch if it is on one."""

    branch: str
    commit: str


def position() -> Position:
    """Return where this folder stands; CommandError if it is not a checkout or its tracked files were changed."""
    if not Path(".git").exists():
        msg = f"{Path.cwd()} is not a git checkout: clone openbell, and copy .env and your strategies' folder there"
        raise CommandError(msg)
    changed = git("status", "--porcelain", "--untracked-files=no").splitlines()
    if changed:
        msg = (
            f"{changed[0][3:]} was changed here: `git stash` puts that aside, and `make init DIR=../my-strategies` "
            "makes a folder for what is yours"
        )
        raise CommandError(msg)
    return Position(_asked("symbolic-ref", "--quiet", "--short", "HEAD"), git("rev-parse", "HEAD"))


def fetch(log: Log) -> None:
    """Fetch what the remote has; CommandError says why it cannot be reached."""
    if not git("remote"):
        msg = "this checkout has no remote to fetch from: `git remote add origin ADDRESS` names one"
        raise CommandError(msg)
    os.environ["GIT_TERMINAL_PROMPT"] = "0"  # a question for a password would wait for ever
    code, said = processes.quiet(("git", "fetch", "--quiet", "--tags", "--force"), log)
    if code:
        why = "no network" if processes.is_offline(said) else " ".join(said[-1:])
        msg = f"nothing could be fetched from {git('remote', 'get-url', git('remote').split()[0])}: {why}"
        raise CommandError(msg)


def find(wanted: str | None, here: Position) -> str:
    """Return the commit to go to: a version, branch or commit that is named, or else what follows on this one."""
    if wanted:
        names = [f"refs/tags/v{wanted}", f"refs/tags/{wanted}", f"refs/remotes/origin/{wanted}", wanted]
        found = [commit for name in names if (commit := _commit(name))]
        if not found:
            tags = git("tag", "--list", "--sort=-version:refname").split()
            msg = f'TO: there is no version "{wanted}"; there is {", ".join(tags[:5]) or "no tag yet"}'
            raise CommandError(msg, 2)
        return found[0]
    if not here.branch:
        tags = git("tag", "--list", "--sort=-version:refname", "v*").split()
        if not tags:
            msg = "this checkout is on no branch, and there is no version yet: name what to go to with TO="
            raise CommandError(msg)
        return _commit(tags[0])
    commit = _commit("@{upstream}")
    if not commit:
        msg = f"the branch {here.branch} follows none of the remote's: name what to go to with TO="
        raise CommandError(msg)
    if commit != here.commit and not _is_ancestor(here.commit, commit):
        msg = f"{here.branch} has commits that the remote has not: `git rebase` or `git merge` brings the two together"
        raise CommandError(msg)
    return commit


def go(commit: str, here: Position) -> None:
    """Put a commit's files in place; the branch goes along where the commit follows on it."""
    if here.branch and _is_ancestor(here.commit, commit):
        git("merge", "--quiet", "--ff-only", commit)
    else:
        git("checkout", "--quiet", "--detach", commit)


def restore(to: Position) -> None:
    """Put everything back as it was."""
    if to.branch:
        git("checkout", "--quiet", to.branch)
        git("reset", "--quiet", "--keep", to.commit)
    else:
        git("checkout", "--quiet", "--detach", to.commit)


def text(commit: str, path: str) -> str:
    """Return a file of a commit; empty if it has none."""
    return _asked("show", f"{commit}:{path}")


def export(commit: str, folders: tuple[str, ...], into: Path) -> None:
    """Write folders of a commit below another folder."""
    with TemporaryFile() as packed:
        done = processes.piped(processes.Command(("git", "archive", "--format=tar", commit, *folders)), None, packed)
        packed.seek(0)
        if done.code or processes.piped(processes.Command(("tar", "-x", "-C", str(into))), packed).code:
            msg = f"{commit[:12]} could not be unpacked: {' '.join(done.errors.split())}"
            raise CommandError(msg)


def git(*words: str) -> str:
    """Return what git prints; CommandError in one line if it fails."""
    done = _run(*words)
    if done.code:
        msg = f"`git {words[0]}` failed: {' '.join(done.errors.split())}"
        raise CommandError(msg)
    return done.text.rstrip()


def _run(*words: str) -> processes.Output:
    return processes.piped(processes.Command(("git", *words)), None)


def _asked(*words: str) -> str:
    done = _run(*words)
    return "" if done.code else done.text.strip()


def _commit(name: str) -> str:
    return _asked("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")


def _is_ancestor(one: str, other: str) -> bool:
    return _run("merge-base", "--is-ancestor", one, other).code == 0
