"""Where a checkout can go, and what it refuses, with real git repositories."""

import subprocess
from pathlib import Path

import pytest

from deploy.errors import CommandError
from deploy.log import log_to_stdout
from deploy.upgrade import checkout


def git(folder: Path, *words: str) -> str:
    """Return what git prints."""
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    return subprocess.run(("git", *who, *words), cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def release(folder: Path, tag: str) -> str:
    """Commit a version, and return its commit."""
    (folder / "version").write_text(tag)
    git(folder, "add", "version")
    git(folder, "commit", "--quiet", "--message", tag)
    git(folder, "tag", tag)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a version; the current folder is a clone of it."""
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    release(folder, "v0.1.0")
    git(tmp_path, "clone", "--quiet", str(folder), "kit")
    monkeypatch.chdir(tmp_path / "kit")
    return folder


def go(to: str | None) -> str:
    """Go where an upgrade would; return the version that is there then."""
    here = checkout.position()
    checkout.fetch(log_to_stdout("text"))
    checkout.go(checkout.find(to, here), here)
    return Path("version").read_text()


def test_without_a_version_the_branch_is_followed(origin: Path) -> None:
    """And it is still a branch afterwards."""
    release(origin, "v0.2.0")
    assert go(None) == "v0.2.0"
    assert checkout.position().branch == "main"


def test_a_version_can_be_named_and_left_again(origin: Path) -> None:
    """By its number, or as it is; from there the next upgrade goes to the newest, which is not the last by its letters."""
    release(origin, "v0.2.0")
    release(origin, "v0.10.0")
    assert go("0.2.0") == "v0.2.0"
    assert go(None) == "v0.10.0"
    assert go("v0.1.0") == "v0.1.0"
    assert go("main") == "v0.10.0"


@pytest.mark.parametrize("to", [None, "0.2.0"])
def test_the_way_back_leads_to_where_one_was(origin: Path, to: str | None) -> None:
    """The same commit, on the same branch, with the same files."""
    release(origin, "v0.2.0")
    before = checkout.position()
    go(to)
    checkout.restore(before)
    assert checkout.position() == before
    assert Path("version").read_text() == "v0.1.0"


def refused(to: str | None = None) -> str:
    """Return the one line of what must not be done."""
    with pytest.raises(CommandError) as caught:
        go(to)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_version_that_does_not_exist_is_named(origin: Path) -> None:
    """With those that do."""
    assert refused("0.9.9") == 'TO: there is no version "0.9.9"; there is v0.1.0'
    assert refused("--upload-pack=id").startswith('TO: there is no version "--upload-pack=id"')


def test_files_that_were_changed_here_are_not_lost(origin: Path) -> None:
    """An untracked file that the new version has is not overwritten either."""
    Path("version").write_text("mine")
    assert refused().startswith("version was changed here: `git stash` puts that aside")
    git(Path(), "checkout", "--quiet", "version")

    Path("more").write_text("mine")
    (origin / "more").write_text("theirs")
    git(origin, "add", "more")
    release(origin, "v0.2.0")
    assert "would be overwritten by merge: more" in refused()
    assert (Path("more").read_text(), Path("version").read_text()) == ("mine", "v0.1.0")


def test_commits_of_ones_own_are_not_lost(origin: Path) -> None:
    """A branch that has some is not moved."""
    git(Path(), "commit", "--quiet", "--allow-empty", "--message", "mine")
    release(origin, "v0.2.0")
    assert refused().startswith("main has commits that the remote has not")


def test_a_remote_that_cannot_be_reached_is_named(origin: Path) -> None:
    """Nothing is asked on the terminal, and nothing is waited for."""
    git(Path(), "remote", "set-url", "origin", "https://no-such-host.invalid/openbell.git")
    assert refused() == "nothing could be fetched from https://no-such-host.invalid/openbell.git: no network"
    git(Path(), "remote", "remove", "origin")
    assert refused().startswith("this checkout has no remote to fetch from")


def test_a_folder_without_git_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a download of an archive."""
    monkeypatch.chdir(tmp_path)
    assert refused().endswith("is not a git checkout: clone openbell, and copy .env and your strategies' folder there")
