"""What the tests of commands share: a strategy with its folders, and its journal."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.journal import Journal

NOW = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
TOML = 'timezone = "America/New_York"\n[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nevery = "5m"\ntimeout = "2s"\n'
CODE = "def run(ctx):\n    pass\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders of a container of the strategy demo, and its environment."""
    for name in ("journal", "state", "control"):
        monkeypatch.setenv(f"OPENBELL_{name.upper()}", str(tmp_path / name))
        (tmp_path / name).mkdir()
    (tmp_path / "strategies" / "demo").mkdir(parents=True)
    (tmp_path / "strategies" / "demo" / "strategy.toml").write_text(TOML)
    (tmp_path / "strategies" / "demo" / "strategy.py").write_text(CODE)
    monkeypatch.setenv("OPENBELL_FOLDER", str(tmp_path / "strategies" / "demo"))
    monkeypatch.setenv("OPENBELL_STRATEGY", "demo")
    return tmp_path


@pytest.fixture
def lines(root: Path) -> Iterator[Journal]:
    """The journal of the strategy demo."""
    one = Journal(root / "journal", "demo", "boot", echo=False)
    yield one
    one.close()
