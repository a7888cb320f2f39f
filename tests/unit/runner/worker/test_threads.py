"""Runs with threads and coroutines of their own."""

import pytest

from tests.unit.runner.worker.conftest import Bench

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


# Threads and coroutines


def test_threads_order(bench: Bench) -> None:
    """Orders from a pool of threads are sent once each, with a decision line each."""
    done = bench.attempt("""
        from concurrent.futures import ThreadPoolExecutor
        def run(ctx):
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda leg: ctx.order("AAPL", "buy", 1, reason="r", leg=str(leg)), range(20)))
    """)
    assert done.failure is None
    bought = [line for line in done.lines if line.get("action") == "buy"]
    assert len({line["order_id"] for line in bought}) == len(bought) == 20


def test_an_order_of_a_thread_that_outlives_run_has_its_line(bench: Bench) -> None:
    """run() may return while another thread still waits for the broker: its order is not left without a decision."""
    done = bench.attempt("""
        import threading, time
        def run(ctx):
            submit, sent = ctx._broker.submit, threading.Event()
            def slowly(order):
                sent.set()
                time.sleep(0.5)
                return submit(order)
            ctx._broker.submit = slowly
            threading.Thread(target=lambda: ctx.order("AAPL", "buy", 1, reason="r"), name="late").start()
            sent.wait()
    """)
    assert done.failure is None
    assert [line["status"] for line in done.lines if line.get("action") == "buy"] == ["filled"]


def test_an_async_run_is_awaited(bench: Bench) -> None:
    """`async def run` decides and orders as any other."""
    done = bench.attempt("""
        import asyncio
        async def run(ctx):
            await asyncio.sleep(0.01)
            ctx.order("AAPL", "buy", 1, reason="awaited")
    """)
    assert done.failure is None
    assert [line["action"] for line in done.lines if line["event"] == "decision"] == ["buy", "hold"]


def test_a_run_that_would_not_execute_fails(bench: Bench) -> None:
    """A lazy result is no success."""
    assert (
        "run() returned a map, of which nothing has executed"
        in bench.attempt("def run(ctx): return map(print, 'a')").error
    )
