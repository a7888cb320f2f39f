"""The supervisor is told of a deployment."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.commands import deployment
from openbell.control import deployment as announced


def test_a_deployment_is_announced_and_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it lasts it has an end in the future; afterwards it says which release runs."""
    monkeypatch.setenv("OPENBELL_CONTROL", str(tmp_path))
    start = ["start", "--release", "r2", "--strategies", "a,b", "--by", "alice@laptop", "--for", "300"]
    assert deployment.main(start) == 0
    said = announced(tmp_path)
    assert said is not None
    assert (said.release, said.strategies, said.by) == ("r2", ("a", "b"), "alice@laptop")
    assert said.until - said.since == timedelta(seconds=300)
    assert deployment.main(["end", "--release", "r1"]) == 0
    over = announced(tmp_path)
    assert over is not None
    assert (over.release, over.strategies) == ("r1", ("a", "b"))
    assert over.until <= datetime.now(UTC)


def test_a_volume_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line."""
    monkeypatch.setenv("OPENBELL_CONTROL", str(tmp_path / "gone"))
    assert deployment.main(["end", "--release", "r1"]) == 1
    assert "the deployment could not be announced" in capsys.readouterr().err
