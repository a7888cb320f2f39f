"""`make upgrade`, with real git repositories: what it shows, what it refuses, and the way back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import Installation, git

NEWS = "- Something that only this version has."


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Installation]:
    """An installation, of which nothing runs afterwards."""
    made = Installation(tmp_path)
    yield made
    if made.data.exists():
        made.run("down")


def test_a_manifest_that_the_version_does_not_know_is_named_before_anything_changes(one: Installation) -> None:
    """The line is that of the version's own check: here an older one, for which a key of today is unknown."""
    model = one.origin / "images/openbell/manifest/reading.py"
    now = model.read_text()
    assert '"timezone"' in now
    model.write_text(now.replace('"timezone"', '"time_zone"'))
    older = one.release("v0.0.9")
    done = one.run("upgrade", "TO=0.0.9")
    assert (done.returncode, one.commit) == (1, one.first)
    said = done.stderr.splitlines()
    assert said[0].startswith("my_idea/strategy.toml: timezone: ")
    assert said[-1] == (
        f"openbell: nothing was changed: change what the lines above name, for {older[:12]}, and try again"
    )


def test_what_runs_is_backed_up_upgraded_and_put_back_if_the_new_version_fails(one: Installation) -> None:
    """Only what this version does not say yet is shown. A version that cannot start what runs is left again, and that runs."""
    one.must("up")
    second = one.release("v0.2.0", NEWS)
    assert NEWS in one.must("upgrade", "DRY_RUN=1")
    assert one.commit == one.first
    said = one.must("upgrade")
    assert f"### Added\n{NEWS}\n\n" in said
    assert "- Market `sample`" not in said
    assert "openbell: wrote backups/openbell-" in said
    assert one.commit == second

    start = one.origin / "deploy/start.py"
    start.write_text(start.read_text() + '\nraise SystemExit("openbell: this version is broken")\n')
    third = one.release("v0.3.0")
    done = one.run("upgrade")
    assert done.returncode != 0
    assert "openbell: this version is broken" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"openbell: `make up` of {third[:12]} failed, for the reason above; {second[:12]} is back and runs"
    )
    assert one.commit == second
    assert git(one.kit, "status", "--porcelain") == ""
    assert "my_idea" in one.must("ps")
    assert len(list((one.kit / "backups").glob("openbell-*.tar.gz"))) == 2
