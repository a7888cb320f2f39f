"""NaN and infinity in a journal: JSON knows neither, and the API answers all the same."""

import json
from typing import NoReturn

import pytest

from tests.unit.supervisor.web.client import Client


def refuse(constant: str) -> NoReturn:
    """Fail on what is no JSON."""
    raise AssertionError(constant)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_never_leaves_the_api(client: Client, number: str) -> None:
    """A raw line that a strategy has written past the journal's writer: it is a line without a value, and every page answers."""
    journal = next((client.world.journal / "pulse").glob("*.jsonl"))
    line = next(text for text in journal.read_text().splitlines() if '"signal"' in text and "-0.01234567" in text)
    with journal.open("a") as file:
        file.write(line.replace("-0.01234567", number) + "\n")
    client.world.see()
    for path in ("/api/status", "/api/bots/pulse", "/api/strategies/pulse", "/api/slots?bot=pulse"):
        answer = client.ask(path)
        assert answer.status_code == 200
        json.loads(answer.text, parse_constant=refuse)
    for path in ("/", "/strategies/pulse", "/metrics"):
        assert client.ask(path).status_code == 200
    signals = client.ask("/api/bots/pulse").json()["signals"]
    assert sorted(one["signal"] for one in signals) == ["", "-0.01234567"]
