"""What a release has of each service's strategies."""

from pathlib import Path

import pytest

from deploy.errors import CommandError
from deploy.release import build
from tests.unit.strategy_file import BOT, TOP, write

CONFIGURATION = {
    "services": {"supervisor": {}, "c": {}, "t": {"labels": {"openbell.strategies": "a b"}}},
}


@pytest.fixture
def strategies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of strategies, each with a secret of its own; d belongs to a profile that is not asked for."""
    for name in "abcd":
        write(tmp_path, f'{TOP}secrets = ["KEY_{name.upper()}"]\n{BOT}at = "09:35"\n', name)
    for name in "ABC":
        monkeypatch.setenv(f"KEY_{name}", f"secret of {name}")
    return tmp_path


def test_a_service_gets_the_secrets_of_its_strategies(strategies: Path) -> None:
    """Of all that it hosts, and of no others; a strategy that is not deployed needs none."""
    assert build.secret_values(CONFIGURATION, strategies) == {
        "supervisor": {},
        "c": {"KEY_C": "secret of C"},
        "t": {"KEY_A": "secret of A", "KEY_B": "secret of B"},
    }


def test_what_comes_with_one_strategy_needs_its_secrets_too(strategies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others in its container; not those elsewhere."""
    monkeypatch.delenv("KEY_C")
    assert build.secret_values(CONFIGURATION, strategies, "a") == {
        "t": {"KEY_A": "secret of A", "KEY_B": "secret of B"}
    }
    monkeypatch.delenv("KEY_B")
    with pytest.raises(CommandError, match="without a value: KEY_B"):
        build.secret_values(CONFIGURATION, strategies, "a")


def test_the_manifests_of_a_service(strategies: Path) -> None:
    """By strategy; what has no strategy has none."""
    found = build.manifests(CONFIGURATION, strategies)
    assert {name: list(versions) for name, versions in found.items()} == {"c": ["c"], "t": ["a", "b"]}
    (strategies / "b/strategy.toml").write_text("changed")
    changed = build.manifests(CONFIGURATION, strategies)
    assert (changed["c"], changed["t"]["a"]) == (found["c"], found["t"]["a"])
    assert changed["t"]["b"] != found["t"]["b"]
