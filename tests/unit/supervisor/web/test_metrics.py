"""/metrics: what Prometheus is told, and the totals behind it."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from openbell.supervisor.alerts import view as alerts_view
from openbell.supervisor.model.records import RunRecord, SlotRecord
from openbell.supervisor.store.counters import Totals, reason_class
from openbell.supervisor.store.retention import sweep
from openbell.supervisor.store.store import Store
from openbell.supervisor.web.metrics import Metrics, counter, gauge, histogram
from tests.unit.supervisor.web.client import Client
from tests.unit.supervisor.world import World

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(client: Client) -> Samples:
    """Return what is told, by name and labels, as Prometheus' own parser understands it."""
    answer = client.ask("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.text)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def value(found: Samples, name: str, **labels: str) -> float:
    """Return one sample's value."""
    return found[name, tuple(sorted(labels.items()))]


def test_what_is_told(client: Client) -> None:
    """The status of all, what is wrong, slots and runs by how they ended, lateness and durations in buckets."""
    found = samples(client)
    assert value(found, "openbell_ok") == 0
    assert value(found, "openbell_ready") == 1
    assert value(found, "openbell_bots", strategy="pulse", status="down") == 1
    assert value(found, "openbell_strategy_status", strategy="pulse", status="up") == 1
    assert value(found, "openbell_bot_healthy", strategy="pulse", bot="pulse") == 0
    assert value(found, "openbell_conditions", strategy="pulse", kind="missed") == 1
    assert value(found, "openbell_slots_total", strategy="pulse", outcome="succeeded", reason="") == 1
    assert value(found, "openbell_slots_total", strategy="pulse", outcome="missed", reason="unheard") == 1
    assert value(found, "openbell_runs_total", strategy="pulse", outcome="failed", trigger="loop") == 1
    assert value(found, "openbell_run_lateness_seconds_bucket", strategy="pulse", le="0.001") == 2
    assert value(found, "openbell_run_lateness_seconds_count", strategy="pulse") == 2
    assert value(found, "openbell_run_duration_seconds_bucket", strategy="pulse", le="0.01") == 0
    assert value(found, "openbell_run_duration_seconds_bucket", strategy="pulse", le="0.025") == 2
    assert value(found, "openbell_run_duration_seconds_sum", strategy="pulse") == pytest.approx(0.025)
    assert value(found, "openbell_beat_age_seconds", strategy="pulse") == 0
    assert value(found, "openbell_journal_bytes", strategy="pulse") > 1000
    assert value(found, "openbell_account_equity", strategy="pulse", broker="paper", currency="USD") == 100_000


def test_every_name_begins_alike(client: Client) -> None:
    """And has its help and its type."""
    answer = client.ask("/metrics").text
    names = set(re.findall(r"^([a-z_]+)[{ ]", answer, re.MULTILINE))
    assert names
    assert all(name.startswith("openbell_") for name in names)
    helped = set(re.findall(r"^# HELP ([a-z_]+) .", answer, re.MULTILINE))
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in names} == helped


def test_totals_outlive_a_restart(client: Client) -> None:
    """They are counted in the transaction of the records: what is read once is counted once."""
    before = {key: one for key, one in samples(client).items() if key[0].endswith("_total")}
    client.world.restart()
    client.world.see()
    after = samples(client)
    assert {key: after[key] for key in before} == before


def totals(store: Store) -> Totals:
    """Return those of the strategy `a`."""
    return store.totals()["a"]


@pytest.fixture
def store(world: World) -> Store:
    """An empty store."""
    world.store = Store(world.file)
    return world.store


def test_a_slot_that_changes_its_outcome_counts_where_it_belongs(world: World, store: Store) -> None:
    """What was shown is never taken back: a counter that falls looks to Prometheus like a start from nought."""
    at = world.now
    store.slots.put("a", "b", SlotRecord(at, at, 3, "missed", "nothing in the journal", judged=True))
    store.slots.put("a", "b", SlotRecord(at, at, 1, "succeeded", run_id="r"))
    assert totals(store).slots == {("missed", "unheard"): 3, ("succeeded", ""): 1}
    later = at + timedelta(minutes=1)
    store.slots.put("a", "b", SlotRecord(later, later, 3, "missed", "late"))
    store.slots.put("a", "b", SlotRecord(later, later, 4, "missed", "nothing in the journal"))
    assert totals(store).slots["missed", "unheard"] == 4


def test_a_slot_that_was_late_and_then_unheard_is_missed_once(world: World, store: Store) -> None:
    """Its loop wrote that it was late, the supervisor then found nothing: one fact. A second missed slot is a second one."""
    at = world.now
    for number in range(2):
        slot = at + timedelta(minutes=number)
        with store.transaction():
            store.slots.put("a", "b", SlotRecord(slot, slot, 1, "missed", "late"))
        with store.transaction():
            store.slots.put("a", "b", SlotRecord(slot, slot, 1, "missed", "nothing in the journal"))
        assert sum(totals(store).slots.values()) == number + 1


def test_a_missed_slot_that_ran_after_all_hides_no_later_one(world: World, store: Store) -> None:
    """The counter grows again with the next missed slot, so that the rule of Prometheus sees it."""
    at = world.now
    with store.transaction():
        store.slots.put("a", "b", SlotRecord(at, at, 1, "missed", "nothing in the journal"))
    with store.transaction():
        store.slots.put("a", "b", SlotRecord(at, at, 1, "succeeded", run_id="r"))
    later = at + timedelta(minutes=1)
    with store.transaction():
        store.slots.put("a", "b", SlotRecord(later, later, 1, "missed", "nothing in the journal"))
    assert totals(store).slots == {("missed", "unheard"): 2, ("succeeded", ""): 1}


def test_counters_are_there_before_there_is_anything_to_count(world: World) -> None:
    """A counter that is born at 1 looks to increase() as if nothing had happened."""
    world.see()
    told = Client(world).ask("/metrics").text
    assert 'openbell_slots_total{outcome="missed",reason="unheard",strategy="pulse"} 0.0' in told
    assert 'openbell_slots_total{outcome="missed",reason="late",strategy="pulse"} 0.0' in told
    assert 'openbell_slots_total{outcome="failed",reason="",strategy="pulse"} 0.0' in told


def test_totals_outlive_their_records(world: World, store: Store) -> None:
    """Pruning takes nothing from them."""
    store.slots.put("a", "b", SlotRecord(world.now, world.now, 1, "succeeded", run_id="r"))
    for _ in sweep(store._database, world.now + timedelta(days=400), lambda *_: timedelta(minutes=1)):
        pass
    assert store.slots.recent("a", "b", world.now, 10) == []
    assert totals(store).slots == {("succeeded", ""): 1}


def test_a_record_that_is_cut_and_put_again_is_counted_once(world: World, store: Store) -> None:
    """Ranges are taken apart and merged; a slot in progress is not counted yet."""
    at = world.now
    whole = SlotRecord(at, at + timedelta(minutes=9), 10, "skipped", "paused by ann: holiday")
    store.slots.put("a", "b", whole)
    store.slots.drop("a", "b", whole)
    store.slots.put("a", "b", SlotRecord(at, at + timedelta(minutes=4), 5, "skipped", "paused by ann: holiday"))
    store.slots.put("a", "b", SlotRecord(at, at + timedelta(minutes=9), 5, None))
    assert totals(store).slots == {("skipped", "paused"): 10}


def test_runs_are_measured_once(world: World, store: Store) -> None:
    """However often their record is written; runs that people ask for say nothing about lateness."""
    at = world.now
    begun = RunRecord("r", "b", at, "loop", 1, at, at, 4.0)
    for run in (begun, begun, RunRecord("r", "b", at, "loop", 1, at, at, 4.0, at, "succeeded", 7_000.0)):
        store.runs.put("a", run)
    store.runs.put("a", RunRecord("m", "b", at, "manual", 1, at, at, 400_000.0, at, "failed", 900_000.0))
    found = totals(store)
    assert found.runs == {("succeeded", "loop"): 1, ("failed", "manual"): 1}
    assert found.buckets == {"lateness": {"0.005": 1}, "duration": {"10.0": 1, "+Inf": 1}}
    assert found.sums == {"lateness": 0.004, "duration": 907.0}


@pytest.mark.parametrize(
    "reason, word",
    [
        ("", ""),
        ("late", "late"),
        ("paused by ann: a very long story", "paused"),
        ("nothing in the journal", "unheard"),
        ("whatever a strategy's journal may say", "other"),
    ],
)
def test_labels_are_bounded(reason: str, word: str) -> None:
    """Whatever stands in a journal."""
    assert reason_class(reason) == word


class Families(Collector):
    """Families that are collected as they are."""

    def __init__(self, *families: Metric) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        return iter(self._families)


def test_the_text_format() -> None:
    """Labels are quoted, buckets cumulate."""
    families = Families(
        gauge("a", 'says\n"why"', [({"b": 'x"y\\z\n'}, 1.5)]),
        counter("c_total", "how many", [({}, 2)]),
        histogram("h", "so long", [0.5, 1.0], [({"b": "c"}, {"0.5": 2, "+Inf": 1}, 9.0)]),
    )
    assert generate_latest(families).decode().splitlines() == [
        r'# HELP a says\n"why"',
        "# TYPE a gauge",
        r'a{b="x\"y\\z\n"} 1.5',
        "# HELP c_total how many",
        "# TYPE c_total counter",
        "c_total 2.0",
        "# HELP h so long",
        "# TYPE h histogram",
        'h_bucket{b="c",le="0.5"} 2.0',
        'h_bucket{b="c",le="1.0"} 2.0',
        'h_bucket{b="c",le="+Inf"} 3.0',
        'h_sum{b="c"} 9.0',
        'h_count{b="c"} 3.0',
    ]


def test_families_without_samples_are_left_out(world: World) -> None:
    """Before the first judgement nothing is told of bots, not even that there are such metrics."""
    told = Client(world).ask("/metrics").text
    assert "openbell_ready 0.0" in told
    assert "openbell_bot" not in told


def test_money_and_uptime(client: Client) -> None:
    """Gains of the account, orders that wait, and the part of the slots that succeeded."""
    told = client.ask("/metrics").text
    assert 'openbell_account_gain{currency="USD",since="day",strategy="pulse"} 0.0' in told
    assert 'openbell_open_orders{strategy="pulse"} 0.0' in told
    assert 'openbell_bot_uptime_ratio{bot="pulse",strategy="pulse"} 0.333' in told


ROOT = Path(__file__).parents[4]
METRICS = ROOT / "compose" / "metrics"


@pytest.fixture
def told(client: Client, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Every family with what it says, also those that have no samples now."""
    monkeypatch.setattr(alerts_view, "read", lambda _: alerts_view.EMPTY)
    families = Metrics(client.sources).families()
    return {one.name + ("_total" if one.type == "counter" else ""): one.documentation for one in families}


def test_every_metric_is_documented(told: dict[str, str]) -> None:
    """In the table of docs/page-and-api.md, in the same words, and nothing else is."""
    page = (ROOT / "docs" / "page-and-api.md").read_text()
    table = dict(re.findall(r"^\| `(openbell_[a-z_]+)` \| (.*) \|$", page, re.MULTILINE))
    assert table == told


def test_rules_and_dashboard_ask_for_metrics_that_are_there(told: dict[str, str]) -> None:
    """And the dashboard shows the incidents that no person has answered."""
    dashboard = (METRICS / "grafana" / "dashboards" / "openbell.json").read_text()
    asked = set(re.findall(r"openbell_[a-z_]+", dashboard + (METRICS / "rules.yml").read_text()))
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in asked} <= told.keys()
    assert "openbell_alert_incidents_unacknowledged" in dashboard


def test_the_panels_of_the_dashboard_lie_side_by_side() -> None:
    """None covers another, none has the number of another, and each asks for something."""
    panels = json.loads((METRICS / "grafana" / "dashboards" / "openbell.json").read_text())["panels"]
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(target["expr"] for panel in panels for target in panel["targets"])
