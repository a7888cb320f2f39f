"""What a strategy as a function answers: to people, to wrong questions, and when it cannot run."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from openbell.control import Pause
from openbell.postgres.control import PostgresControl
from openbell.postgres.database import Database
from openbell.postgres.tables import SHARED_SCHEMA as SCHEMA
from tests.serverless.calls import BUYS, FAILS, HOLDS, SCHEDULE, World
from tests.serverless.postgres import PASSWORD

PARAMS = "params = { window = 20, k = 2.0, loud = false, name = 'x' }"


def test_a_person_runs_one_symbol_with_other_parameters(world: World) -> None:
    """It is for no slot, so the slot that is due runs all the same; one decision stands at the top of the answer."""
    world.write("def run(ctx):\n    ctx.hold(ctx.symbols[0], reason=str(dict(ctx.params)))\n", PARAMS)
    answered = world.call(symbol="MSFT", params={"window": 5, "k": 3})
    expected = {"status": "ok", "strategy": "demo", "symbol": "MSFT", "action": "hold"}
    assert expected.items() <= answered.body.items()
    assert answered.body["reason"] == "{'window': 5, 'k': 3, 'loud': False, 'name': 'x'}"
    (start,) = world.events("run_start")
    assert (start["trigger"], start["symbols"], start["by"]) == ("manual", ["MSFT"], "test")
    assert world.call().body.get("action") != "none"


@pytest.mark.parametrize(
    "body, line",
    [
        (["AAPL"], "the body: found ['AAPL']; allowed: a JSON object with trigger, bot, symbol, params"),
        ({"smybol": "AAPL"}, 'the body: found "smybol"; allowed: the keys trigger, bot, symbol, params'),
        ({"symbol": "TSLA"}, 'symbol: found "TSLA"; allowed: one of AAPL, MSFT'),
        ({"symbol": ["AAPL"]}, "symbol: found ['AAPL']; allowed: one of AAPL, MSFT"),
        ({"bot": "c"}, 'bot: found "c"; allowed: one of b'),
        ({"trigger": "cron"}, 'trigger: found "cron"; allowed: "schedule" or "manual"'),
        ({"trigger": "schedule", "bot": "b"}, 'trigger: found "schedule"; allowed: no other key beside it'),
        ({"params": 5}, "params: found 5; allowed: an object of parameters"),
        ({"params": {"widnow": 5}}, 'params: found "widnow"; allowed: one of window, k, loud, name'),
        ({"params": {"window": 2.5}}, "params.window: found 2.5; allowed: a whole number, as in the manifest"),
        ({"params": {"window": True}}, "params.window: found True; allowed: a whole number, as in the manifest"),
        ({"params": {"k": "2"}}, 'params.k: found "2"; allowed: a number, as in the manifest'),
        ({"params": {"loud": 1}}, "params.loud: found 1; allowed: true or false, as in the manifest"),
    ],
)  # fmt: skip
def test_a_wrong_question_is_told_what_is_allowed(world: World, body: object, line: str) -> None:
    """400, one line, and nothing is run."""
    world.write(HOLDS, PARAMS)
    answered = world.function().call(body, "test")
    assert (answered.code, answered.body["status"]) == (400, "error")
    assert str(answered.body["error"]).startswith(line)
    assert world.events("run_start") == []


def test_a_paused_bot_does_not_run(world: World) -> None:
    """Its slot is skipped, a person is told, and it runs again once it is resumed."""
    world.write()
    world.call(symbol="AAPL")  # the tables are there from now on
    control = PostgresControl(Database(world.url, SCHEMA), "demo")
    control.pause("b", Pause(datetime.now(UTC) - timedelta(hours=1), None, "me", "earnings"))
    assert world.call().body["action"] == "none"
    assert [skip["reason"] for skip in world.events("slot_skipped")] == ["paused"]
    assert world.call(symbol="AAPL").body == {"status": "busy", "error": "b is paused by me: earnings"}
    assert control.resume("b")
    assert world.call(symbol="AAPL").code == 200


def test_a_halt_stops_orders(world: World) -> None:
    """As the README.md beside a function says: one row, for all strategies."""
    world.write(BUYS)
    world.call(trigger="manual")
    halt = """INSERT INTO control VALUES ('', 'halt', '{"by": "me", "reason": "odd fills"}')"""
    Database(world.url, SCHEMA).execute(halt)
    answered = world.call(symbol="AAPL")
    assert answered.body["action"] == "refused"
    assert "odd fills" in str(answered.body["reason"])


def test_failures_in_a_row_pause_the_bot(world: World) -> None:
    """The pause outlives the instance."""
    world.write(FAILS, "retries = 0\nhalt_after = 1")
    world.call()
    assert "1 failures in a row" in str(world.call(symbol="AAPL").body["error"])


def test_a_database_that_is_not_there_is_one_line_without_the_password(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    """503: it helps to call again. The line is on standard output, too."""
    world.write()
    url = "postgresql://u:secretword@127.0.0.1:1/d"
    answered = world.function({"OPENBELL_DATABASE_URL": url}).call(SCHEDULE, "test")
    assert answered.code == 503
    assert "PostgreSQL cannot be reached" in str(answered.body["error"])
    assert "secretword" not in str(answered) + capfd.readouterr().out


@pytest.mark.parametrize(
    "code, top, line",
    [
        ("raise ValueError('broken')", "", "strategy.py cannot be imported: ValueError: broken (strategy.py, line 1)"),
        (HOLDS, 'secrets = ["MY_KEY"]', "the secret MY_KEY is not set: give it to the function"),
        (HOLDS, "colour = 1", "demo/strategy.toml: colour"),
    ],
)
def test_what_cannot_start_is_one_line(world: World, code: str, top: str, line: str) -> None:
    """And nothing is claimed: it runs once it is mended."""
    world.write(code, top=top)
    answered = world.call()
    assert answered.code == 503
    assert str(answered.body["error"]).startswith(line)
    world.write()
    assert world.call().body.get("action") != "none"


def test_the_journal_has_no_secret(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the strategy's nor the database's, whole or its password alone."""
    world.write(
        "import os\ndef run(ctx):\n"
        f"    print(os.environ['MY_KEY'], os.environ['OPENBELL_DATABASE_URL'], {PASSWORD!r}, {quote(PASSWORD, safe='')!r})\n",
        top='secrets = ["MY_KEY"]',
    )
    for name, value in {"MY_KEY": "hunter22", "OPENBELL_DATABASE_URL": world.url}.items():
        monkeypatch.setenv(name, value)
        world.environment[name] = value
    world.call()
    assert [line["text"] for line in world.events("output")] == ["[secret] [secret] [secret] [secret]"]


def test_a_strategy_that_survives_no_fork_is_imported_by_each_run(world: World) -> None:
    """What start = "fresh" means holds here, too."""
    world.write("import os\nHERE = os.getpid()\ndef run(ctx):\n    print(HERE == os.getpid())\n", top='start = "fresh"')
    assert world.call().code == 200
    assert [line["text"] for line in world.events("output")] == ["True"]
