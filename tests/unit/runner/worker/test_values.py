"""What runs return, write down and keep: every value becomes JSON, or is named."""

import json

import pytest

from tests.unit.runner.worker.conftest import WARM_FIRST, Bench

pytestmark = [pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"), WARM_FIRST]


# What it hands over


def test_a_returned_value_is_not_used(bench: Bench) -> None:
    """Garbage that run() returns is said to be of no use."""
    done = bench.attempt("def run(ctx): return {'AAPL': 'buy'}")
    assert done.failure is None
    assert done.texts() == ["run() returned {'AAPL': 'buy'}; it is not used: order with ctx.order()"]


def test_every_value_becomes_json(bench: Bench) -> None:
    """NaN, infinities, arrays' scalars, dates, sets and objects are lines that any JSON parser reads."""
    done = bench.attempt("""
        import datetime, decimal, enum
        class Scalar:
            shape = ()
            def item(self):
                return 1.5
        class Array:
            shape = (2,)
            def __repr__(self):
                return "Array(1, 2)"
        class Side(enum.IntEnum):
            LONG = 1
        def run(ctx):
            ctx.signal("AAPL", float("nan"), up=float("inf"), scalar=Scalar(), array=Array(), side=Side.LONG,
                at=datetime.datetime(2026, 3, 2, 9, 5, tzinfo=datetime.timezone.utc), amount=decimal.Decimal("1.50"),
                some={3}, pair=(1, None), odd="\\ud800", deep={"a": [float("-inf")], 2: True})
            ctx.hold("AAPL", reason=None)
    """)
    assert done.failure is None
    for line in done.raw.splitlines():
        json.loads(line, parse_constant=pytest.fail)
    signal = done.lines[0]
    names = ("signal", "up", "scalar", "array", "side", "at", "amount", "some", "pair", "odd", "deep")
    assert [signal[name] for name in names] == [
        "nan",
        "inf",
        1.5,
        "Array(1, 2)",
        1,
        "2026-03-02T09:05:00.000Z",
        1.5,
        [3],
        [1, None],
        "?",
        {"a": ["-inf"], "2": True},
    ]


def test_a_value_that_cannot_be_shown_fails_no_run(bench: Bench) -> None:
    """Whatever was logged or signalled before, the order has its decision line and the run succeeds."""
    done = bench.attempt("""
        import datetime
        class Angry:
            def __repr__(self):
                raise RuntimeError
        def run(ctx):
            ring = [1]
            ring.append(ring)
            values = (Angry(), 10**5000, ring, datetime.datetime.min, ["x" * 1000] * 1000)
            for number, value in enumerate(values):
                ctx.log("a value", value=value)
                ctx.signal("AAPL", value)
                ctx.order("AAPL", "buy", 1, reason=value, leg=str(number))
    """)
    assert done.failure is None
    assert [line["action"] for line in done.lines if line["event"] == "decision"] == ["buy"] * 5 + ["hold"]
    for line in done.raw.splitlines():
        json.loads(line, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    "body",
    [
        "ctx.state['x'].append(object())",
        "ctx.state['x'].append(float('nan'))",
        "ctx.state['x'].append(ctx.state['x'])",
        "ctx.state['x'] = 10**5000",
    ],
)
def test_an_unfit_value_in_the_state_names_its_key(bench: Bench, body: str) -> None:
    """Also one that was put into a list which the state keeps already."""
    bench.attempt("def run(ctx): ctx.state['x'] = []")
    assert (
        'ctx.state["x"] takes numbers, texts, lists and mappings of them: '
        in bench.attempt(f"def run(ctx): {body}").error
    )
