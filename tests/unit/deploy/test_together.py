"""Strategies that share one container are asked there."""

import pytest

from deploy.engine import Service
from deploy.environment import Settings
from deploy.place import Here
from deploy.problem import Problem
from deploy.running import service_of


class Machine(Here):
    """A machine on which these services run."""

    def __init__(self, *running: str) -> None:
        super().__init__(Settings())
        self._running = running

    def services(self) -> tuple[Service, ...]:
        """No engine is asked."""
        hosted = {"together": ("mean_reversion_bb", "momentum_rsi_macd")}
        return tuple(
            Service(name, "image", "running", "healthy", 0, 0, "", hosted.get(name, (name,))) for name in self._running
        )


@pytest.mark.parametrize(
    "strategy, running, service",
    [
        ("mean_reversion_bb", ("supervisor", "together"), "together"),
        ("mean_reversion_bb", ("mean_reversion_bb", "supervisor"), "mean_reversion_bb"),
        ("mean_reversion_bb", ("mean_reversion_bb", "together"), "mean_reversion_bb"),
        ("pulse", ("pulse", "together"), "pulse"),
    ],
)
def test_where_a_strategy_runs(strategy: str, running: tuple[str, ...], service: str) -> None:
    """In its own container where there is one, else in the one that hosts the portfolio."""
    assert service_of(strategy, Machine(*running)) == service


def test_a_strategy_that_is_not_hosted() -> None:
    """The container for several strategies has the portfolio's only."""
    with pytest.raises(Problem, match=r"^pulse does not run: .* what runs: together$"):
        service_of("pulse", Machine("together"))
