"""Strategies that share one container are asked there."""

import pytest

from deploy.cli.operate import service_of
from deploy.docker.engine import Service
from deploy.errors import CommandError
from deploy.settings import Settings
from deploy.target import LocalTarget


class Machine(LocalTarget):
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
    with pytest.raises(CommandError, match=r"^pulse does not run: .* what runs: together$"):
        service_of("pulse", Machine("together"))
