"""Whose money it is, and whether orders are halted: loud on every page."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from openbell import control
from openbell.control import Halt
from openbell.supervisor.web import WebApp
from tests.unit.supervisor.web.client import Client, ask


@pytest.mark.parametrize("path", ["/", "/strategies/pulse"])
def test_real_money_has_a_badge(client: Client, path: str) -> None:
    """A strategy whose manifest says live = true says so beside its name; paper does not shout."""
    assert "live money" not in client.ask(path).text
    snapshot = client.sources.ready()
    strategies = tuple(replace(one, money="live", broker="alpaca") for one in snapshot.strategies)
    page = WebApp(replace(client.sources, snapshot=lambda: replace(snapshot, strategies=strategies)))
    assert '<span class="badge down">live money: alpaca</span>' in ask(page, path).text


def test_a_strategys_page_names_broker_and_money(client: Client) -> None:
    """Paper is said too, where there is room."""
    assert "paper money, broker <code>paper</code>" in client.ask("/strategies/pulse").text


@pytest.mark.parametrize("path", ["/", "/strategies/pulse"])
def test_a_halt_is_on_every_page_at_once(client: Client, path: str) -> None:
    """Who, why and how to lift it; gone with the halt, although nothing else has changed."""
    assert "No strategy sends orders" not in client.ask(path).text
    control.halt(client.sources.control, Halt(datetime(2026, 3, 2, 9, 5, tzinfo=UTC), "me", "odd <fills>"))
    text = client.ask(path).text
    assert "No strategy sends orders: halted: odd &lt;fills&gt; (by me since 2026-03-02T09:05:00.000Z)" in text
    assert "make unhalt" in text
    control.unhalt(client.sources.control)
    assert "No strategy sends orders" not in client.ask(path).text
