"""What `make check` says about secrets."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.strategy_checks import problems
from deploy.strategy_checks.secrets import secret_problems
from openbell.manifest import load

ROOT = Path(__file__).parents[4]
PULSE = replace(load(ROOT / "strategies" / "pulse"), secrets=("KEY",))


@pytest.mark.parametrize("environment", [{}, {"KEY": ""}, {"OTHER": "x"}])
def test_a_secret_without_a_value_is_told(environment: dict[str, str]) -> None:
    """The strategy could not start."""
    assert list(secret_problems(PULSE, environment)) == [
        "pulse/strategy.toml: secrets: KEY has no value: set KEY or KEY_FILE in .env or the environment"
    ]


@pytest.mark.parametrize("name", ["KEY", "KEY_FILE", "KEY_COMMAND"])
def test_a_secret_may_have_its_value_elsewhere(name: str) -> None:
    """In a file, or as the output of a command."""
    assert list(secret_problems(PULSE, {name: "x"})) == []


def test_the_kits_own_strategies_have_no_problem() -> None:
    """Nor do those of a profile that is not asked for, whose secrets are not set."""
    assert problems(ROOT / "strategies", ROOT / "compose", (), {}) == ()


def test_a_folder_with_the_name_of_another_service_is_told(tmp_path: Path) -> None:
    """Every command of Compose would fail, with words about a merge."""
    (tmp_path / "prometheus").mkdir()
    assert problems(tmp_path, ROOT / "compose", (), {}) == (
        "prometheus: the name of a service in compose/metrics.yaml; rename the folder",
    )
