"""Fixtures of the page's tests."""

import pytest

from tests.unit.supervisor.web.client import Client
from tests.unit.supervisor.world import World


@pytest.fixture
def client(started: World) -> Client:
    """A page over a world in which pulse has run once, failed once, and was missed once."""
    started.at("12:01:00")
    run_id = started.run(started.now, outcome=None)
    fields = {"bot": "pulse", "slot": started.now, "run_id": run_id, "attempt": 1}
    started.write("signal", fields, symbol="AAPL", signal=-0.01234567, short=1.25)
    started.write(
        "decision",
        fields,
        symbol="AAPL",
        action="buy",
        reason="<b>fell</b>",
        signal=-0.01234567,
        qty=3,
        source="sample",
    )
    held = {"AAPL": {"qty": 3.0, "average_price": 9.5, "price": 10.0, "value": 30.0}}
    started.write("account", fields, broker="paper", cash=99_970.0, equity=100_000.0, currency="USD", positions=held)
    started.write("output", fields, text="<i>looked</i> at AAPL")
    started.write("run_end", fields, outcome="succeeded", tick_duration_ms=12.5, orders=1, trigger="loop")
    started.at("12:02:00")
    run_id = started.run(started.now, outcome=None)
    fields |= {"slot": started.now, "run_id": run_id}
    started.write(
        "error",
        fields,
        error="ValueError: <script>alert(1)</script>",
        traceback="Traceback\n  line",
        will_retry=False,
    )
    started.write("run_end", fields, outcome="failed", tick_duration_ms=12.5, orders=0, trigger="loop")
    started.at("12:03:25")
    return Client(started)
