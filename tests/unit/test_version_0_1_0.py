"""What openbell 0.1.0 wrote is read by today's code as it was, and what a newer openbell wrote is left alone."""

import importlib
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import control, journal
from openbell.journal.follower import Follower
from openbell.ledger import Ledger
from openbell.strategy import loader
from openbell.supervisor.alerts import store as alerts
from openbell.supervisor.store.store import Store
from openbell.trading.brokers import BrokerError
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.markets.synthetic import SyntheticMarket

WRITTEN = Path(__file__).parents[1] / "fixtures" / "version-0.1.0"
DAY = "2026-11-26T20:56"
NOW = datetime(2026, 11, 26, 20, 58, tzinfo=UTC)
# What strategies, markets and brokers of that version import, by the module that it was in.
FORMER = {
    "context": "BotContext Context Run State StrategyError",
    "stream": "StreamContext StreamStopped BrokerNow",
    "desk": "Desk Intent",
    "market": "Bar Bars Market MarketError Series Value open_market",
    "market.alpaca": "AlpacaMarket",
    "market.exchange": "ExchangeMarket",
    "market.history": "History load common_days symbols",
    "market.sample": "SampleMarket slot_number",
    "market.series": "read",
    "market.synthetic": "SyntheticMarket",
    "market.timeframes": "length expected_close CALENDARS",
    "brokers": "FINAL Account Broker BrokerError Order OrderRefusedError PlacedOrder Position open_broker",
    "brokers.alpaca": "AlpacaBroker",
    "brokers.exchange": "open_exchange",
    "brokers.paper": "PaperBroker",
}


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """Return a copy of the old installation's data."""
    return Path(shutil.copytree(WRITTEN, tmp_path / "data"))


def at(second: str) -> datetime:
    """Return an instant of the minute in which the data were written."""
    return datetime.fromisoformat(f"{DAY}:{second}+00:00")


@pytest.mark.parametrize("module,names", FORMER.items())
def test_modules_have_their_former_names_too(module: str, names: str) -> None:
    """What a strategy imports from openbell 0.1.0 is there under that name."""
    found = importlib.import_module(f"openbell.{module}")

    assert [name for name in names.split() if not hasattr(found, name)] == []


def test_a_former_name_is_the_same_class() -> None:
    """An error that an own market raises under the former name is caught under the present one."""
    from openbell.brokers import BrokerError as FormerBrokerError  # noqa: PLC0415 - nothing else may load it
    from openbell.market import MarketError as FormerMarketError  # noqa: PLC0415 - as above
    from openbell.trading.markets import MarketError  # noqa: PLC0415 - beside it

    assert FormerBrokerError is BrokerError
    assert FormerMarketError is MarketError


def test_a_strategy_of_the_version_before_is_loaded() -> None:
    """A strategy's file that imports the former names is loaded as it is."""
    assert callable(loader.load(WRITTEN / "strategies" / "trader")["run"])


def test_the_ledger_is_as_it_was(installation: Path) -> None:
    """Claims, what is held, orders, a bot's state and facts are those that 0.1.0 wrote."""
    with closing(Ledger(installation / "state" / "trader" / "ledger.sqlite")) as ledger:
        assert ledger.holdings() == {"AAPL": 18.0, "IBM": 7.5}
        assert ledger.state("buyer") == {"runs": 6}
        assert ledger.fact("reconciled at") == "2026-11-26T20:56:33.227396+00:00"
        assert ledger.accounted_until("buyer") == at("30")
        assert ledger.claimed_slots("broken", at("00"), at("59")) == [at("00"), at("10"), at("20"), at("30")]
        assert ledger.failures_in_a_row("broken", 10) == 4
        assert [(one.bot, one.slot, one.outcome) for one in ledger.open_claims()] == [("slow", at("30"), None)]
        assert [(one.symbol, one.status, one.filled) for one in ledger.orders("buyer", at("20"))] == [
            ("AAPL", "filled", 3.0),
            ("IBM", "filled", 2.5),
        ]
        # Positions by bot are new: the bot whose orders bought the shares has them.
        assert [(one.bot, one.symbol, float(one.quantity)) for one in ledger.positions()] == [
            ("buyer", "AAPL", 18.0),
            ("buyer", "IBM", 7.5),
        ]


def test_opening_a_ledger_again_changes_nothing_more(installation: Path) -> None:
    """What the first start adds to an old ledger, the second finds."""
    path = installation / "state" / "trader" / "ledger.sqlite"
    with closing(Ledger(path)) as ledger:
        before = ledger.holdings(), ledger.positions()
    with closing(Ledger(path)) as ledger:
        assert (ledger.holdings(), ledger.positions()) == before


def test_the_paper_account_is_as_it_was(installation: Path) -> None:
    """Cash, positions and orders of the paper account are those that 0.1.0 wrote."""
    broker = PaperBroker(installation / "state" / "trader", SyntheticMarket(Path()), NOW)

    assert broker.account().cash == pytest.approx(99_481.811582)
    assert {one.symbol: one.quantity for one in broker.positions().values()} == {"AAPL": 18.0, "IBM": 7.5}
    found = broker.find("ob-05657c620105be549bb578b2")
    assert found is not None
    assert (found.order_id, found.status, found.filled_quantity) == ("paper-8", "filled", 3.0)


def test_the_supervisors_store_is_as_it_was(installation: Path) -> None:
    """Runs, slots, positions in the journals and what was expected are those that 0.1.0 wrote."""
    with closing(Store(installation / "supervisor" / "supervisor.sqlite")) as store:
        assert store.positions() == {"trader/2026-11-26.jsonl": 29155}
        assert sorted(one.bot for one in store.expected()) == ["broken", "buyer", "slow"]
        assert [one.outcome for one in store.runs.recent("trader", "broken", 10)] == ["failed"] * 4
        assert store.slots.last_success("trader", "buyer", NOW) == at("20")
        assert len(store.errors("trader", 50)) == 12


def test_an_open_incident_is_still_open(installation: Path) -> None:
    """An incident that 0.1.0 opened and a message that it could not deliver are still there."""
    with closing(alerts.AlertStore(alerts.open_database(installation / "supervisor" / "alerts.sqlite"))) as store:
        (incident,) = store.incidents()
        assert incident.cause == "failed: ValueError: the feed is empty"
        assert [(one.condition.kind, one.condition.bot) for one in incident.members] == [("failed", "broken")]
        waiting = store.database.execute("SELECT channel, state FROM deliveries").fetchall()
        assert waiting == [("json", "waiting")]


def test_pauses_and_the_halt_hold(installation: Path) -> None:
    """What people had asked for holds after the upgrade."""
    halt = control.halted(installation / "control")
    pause = control.Control(installation / "control", "trader").paused("buyer")

    assert halt is not None
    assert (halt.by, halt.reason, halt.exits) == ("make halt", "broker's notice", False)
    assert pause is not None
    assert (pause.by, pause.reason, pause.until) == ("make pause", "earnings week", None)


def test_the_journal_is_read_from_where_it_was_read_last(installation: Path) -> None:
    """The lines that 0.1.0's supervisor had not read yet are the ones that come next."""
    position = {"trader/2026-11-26.jsonl": 29155}
    follower = Follower(installation / "journal", position)

    assert [(line["event"], line["bot"]) for line in follower.poll()] == [("decision", "slow")]
    assert len(list(journal.since(installation / "journal" / "trader", NOW.date()))) > 60


def _open_store(folder: Path) -> None:
    Store(folder / "supervisor" / "supervisor.sqlite")


def _open_alerts(folder: Path) -> None:
    alerts.open_database(folder / "supervisor" / "alerts.sqlite")


def _open_ledger(folder: Path) -> None:
    Ledger(folder / "state" / "trader" / "ledger.sqlite")


def _open_paper(folder: Path) -> None:
    PaperBroker(folder / "state" / "trader", SyntheticMarket(Path()), NOW).account()


@pytest.mark.parametrize(
    "file,opened",
    [
        ("state/trader/ledger.sqlite", _open_ledger),
        ("state/trader/paper.sqlite", _open_paper),
        ("supervisor/supervisor.sqlite", _open_store),
        ("supervisor/alerts.sqlite", _open_alerts),
    ],
)
def test_a_file_of_a_newer_version_is_refused_and_left_alone(
    installation: Path, file: str, opened: Callable[[Path], None]
) -> None:
    """A database whose format is not known yet is refused in one line, and not a byte of it changes."""
    path = installation / file
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    before = path.read_bytes()

    with pytest.raises((sqlite3.DatabaseError, BrokerError), match="was written by a newer openbell") as caught:
        opened(installation)

    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
