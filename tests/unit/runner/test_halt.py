"""The loop in a global halt."""

from datetime import UTC, datetime

from openbell import control
from openbell.control import Halt
from tests.unit.runner.fakes import NewRig

NOW = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)


def test_the_loop_tells_of_a_halt_within_a_tick(rig: NewRig) -> None:
    """Each strategy's journal says when and by whom orders were halted, and when they were not any more; runs go on."""
    one = rig()
    one.run_until("09:04")
    root = one.control._root
    control.halt(root, Halt(NOW, "me", "odd fills"))
    one.loop.step()
    one.loop.step()
    control.unhalt(root)
    one.loop.step()
    one.run_until("09:06")
    (halted,) = one.events("trading_halted")
    assert (halted["by"], halted["reason"], halted["since"]) == ("me", "odd fills", "2026-03-02T09:05:00.000Z")
    assert len(one.events("trading_resumed")) == 1
    assert [outcome for _, outcome in one.outcomes()] == ["succeeded"]
