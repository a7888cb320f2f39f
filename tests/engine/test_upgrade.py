"""`make upgrade` of containers that run: a version that works takes their place, one that does not work gives it back."""

import json
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.engine.kit import ask, events, removed_afterwards, wait_until
from tests.installation import Installation

pytestmark = [pytest.mark.deploy_long, pytest.mark.timeout(600)]

OFTEN = 'timezone = "UTC"\n\n[[bot]]\nsymbols = ["AAPL"]\nevery = "5s"\n'
COUNTS = (
    "def run(ctx):\n    ctx.state['runs'] = ctx.state.get('runs', 0) + 1\n    ctx.signal('runs', ctx.state['runs'])\n"
)


@pytest.fixture
def one(engine: docker.DockerClient, tmp_path: Path) -> Iterator[Installation]:
    """An installation whose strategy runs every five seconds and counts its runs."""
    made = Installation(tmp_path, "docker")
    strategy = tmp_path / "mine" / "my_idea"
    (strategy / "strategy.toml").write_text(OFTEN)
    (strategy / "strategy.py").write_text(COUNTS)
    with removed_afterwards(engine, made.project):
        made.must("up")
        yield made


def counts(engine: docker.DockerClient, one: Installation) -> list[object]:
    """Return what the strategy has counted, run by run, as its journal says."""
    labels = [f"com.docker.compose.project={one.project}", "com.docker.compose.service=supervisor"]
    (supervisor,) = engine.containers.list(filters={"label": labels})
    lines = ask(supervisor, "openbell", "journal", "my_idea", "--since", "1d").splitlines()
    return [line["signal"] for line in events([json.loads(line) for line in lines], "signal")]


def test_what_runs_is_upgraded_or_put_back_and_no_run_is_lost(engine: docker.DockerClient, one: Installation) -> None:
    """The state goes on counting through a version that works and through one whose loop ends at its start."""
    wait_until(lambda: len(counts(engine, one)) > 1, "two runs")
    loop = one.origin / "images/openbell/runner/__init__.py"
    loop.write_text(loop.read_text() + "\n# Another version.\n")
    second = one.release("v0.2.0", "- Something that only this version has.")
    one.must("upgrade")
    assert one.commit == second
    after = len(counts(engine, one))
    wait_until(lambda: len(counts(engine, one)) > after, "a run of the second version")

    loop.write_text(loop.read_text() + "\nraise SystemExit('this version is broken')\n")
    third = one.release("v0.3.0")
    done = one.run("upgrade")
    assert done.returncode != 0
    assert f"{second[:12]} is back and runs" in done.stderr.splitlines()[-1], done.stdout + done.stderr
    assert one.commit == second != third
    assert "my_idea" in one.must("ps")
    after = len(counts(engine, one))
    wait_until(lambda: len(counts(engine, one)) > after, "a run after the way back")

    found = counts(engine, one)
    assert found == list(range(1, len(found) + 1))
