"""What `make check` says about secrets."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.strategy_folders.check import folder_problems, secret_problems
from openbell.manifest import load

ROOT = Path(__file__).parents[4]
PULSE = replace(load(ROOT / "strategies" / "pulse"), secrets=("KEY",))


@pytest.mark.parametrize("environment", [{}, {"KEY": ""}, {"OTHER": "x"}])
def test_a_secret_without_a_value_is_told(environment: dict[str, str]) -> None:
    """The strategy could not start."""
    assert list(secret_problems(PULSE, environment)) == [
        "pulse/strategy.toml: secrets: KEY has no value: set KEY, KEY_FILE or KEY_COMMAND in .env or the environment"
    ]


@pytest.mark.parametrize(
    "environment",
    [{"KEY": "x"}, {"KEY_FILE": __file__}, {"KEY_COMMAND": "false"}, {"KEY": "x", "KEY_FILE": "/nowhere/key"}],
)
def test_a_secret_may_have_its_value_elsewhere(environment: dict[str, str]) -> None:
    """In a file, or as the output of a command, which a check does not run: it may ask the user for a finger."""
    assert list(secret_problems(PULSE, environment)) == []


@pytest.mark.parametrize(
    "environment,expected",
    [
        ({"KEY_FILE": "/nowhere/key"}, "KEY_FILE: /nowhere/key cannot be read: No such file or directory"),
        ({"KEY_FILE": "/dev/null"}, "KEY_FILE: /dev/null is empty"),
        ({"KEY_COMMAND": "no-such-op read x"}, "KEY_COMMAND: no-such-op is not installed here"),
        ({"KEY_COMMAND": "op 'x"}, "KEY_COMMAND: is not a command: allowed: words with closed quotes, such as op read op://vault/item/field"),
    ],
)  # fmt: skip
def test_a_source_that_gives_nothing_is_told(environment: dict[str, str], expected: str) -> None:
    """A file that is not there, a program that is not installed."""
    assert list(secret_problems(PULSE, environment)) == [f"pulse/strategy.toml: secrets: {expected}"]


def test_the_kits_own_strategies_have_no_problem() -> None:
    """Nor do those of a profile that is not asked for, whose secrets are not set."""
    assert folder_problems(ROOT / "strategies", ROOT / "compose", (), {}) == ()


def test_a_folder_with_the_name_of_another_service_is_told(tmp_path: Path) -> None:
    """Every command of Compose would fail, with words about a merge."""
    (tmp_path / "prometheus").mkdir()
    assert folder_problems(tmp_path, ROOT / "compose", (), {}) == (
        "prometheus: the name of a service in compose/metrics.yaml; rename the folder",
    )
