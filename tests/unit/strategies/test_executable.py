"""Whether a strategy's function executes when it is called: told at `check`, at the start, and of what it returns."""

import ast
from pathlib import Path

import pytest

from openbell.commands.definitions import definitions
from openbell.strategy import executable, loader

EXECUTES = [
    "def run(ctx): pass",
    "def run(ctx, extra=1, *, more=2): pass",
    "def run(*args): pass",
    "async def run(ctx): pass",
    "class Bot:\n def run(self, ctx): pass\nrun = Bot().run",
    "class Bot:\n def __call__(self, ctx): pass\nrun = Bot()",
    "from functools import partial\ndef go(fast, ctx): pass\nrun = partial(go, 3)",
    "def run(ctx):\n def ticks(): yield 1\n for _ in ticks(): pass",
    "run = lambda ctx: None",
    "try:\n from quick import run\nexcept ImportError:\n def run(ctx): pass",
    "run: object = print",
    "def run(): yield\ndef run(ctx): pass",
]
REFUSED = [
    ("run", "def run(ctx): yield 1", "yield"),
    ("run", "async def run(ctx): yield 1", "yield"),
    ("run", "def run(ctx):\n for one in ctx.symbols:\n  if one: x = yield from [one]", "yield"),
    ("run", "def run(): pass", "one argument"),
    ("run", "def run(ctx, params): pass", "one argument"),
    ("run", "def run(ctx, *, fast): pass", "one argument"),
    ("stream", "async def stream(ctx): pass", "async def stream"),
    ("stream", "def stream(ctx): yield", "yield"),
    ("stream", "async def stream(ctx): yield", "yield"),
]
RETURNS = [
    ("def run(ctx): return (x for x in ctx)", "returned a generator"),
    ("def run(ctx): return map(print, ctx)", "returned a map"),
    ("async def ticks():\n yield 1\ndef run(ctx): return ticks()", "returned a async_generator"),
    ("def run(ctx): return lambda: None", "returned a function instead of calling it"),
    ("async def go(): return lambda: None\ndef run(ctx): return go()", "returned a function instead of calling it"),
]


def load(folder: Path, code: str, name: str = "run") -> executable.StrategyFunction:
    """Return a strategy's function as a run gets it."""
    (folder / "strategy.py").write_text(code)
    return loader.load(folder, [name])[name]


@pytest.mark.parametrize("code", EXECUTES)
def test_what_executes_is_accepted(tmp_path: Path, code: str) -> None:
    """By `check`, which does not import, and by the start, which does."""
    assert definitions(ast.parse(code).body)["run"] == ""
    load(tmp_path, code)


@pytest.mark.parametrize("name, code, reason", REFUSED)
def test_what_would_not_execute_is_refused(tmp_path: Path, name: str, code: str, reason: str) -> None:
    """With the same reason by `check` and at the start."""
    checked = definitions(ast.parse(code).body)[name]
    with pytest.raises(loader.StrategyImportError) as started:
        load(tmp_path, code, name)
    assert reason in checked
    assert str(started.value) == f"strategy.py: {name}: {checked}"


@pytest.mark.parametrize("code, reason", RETURNS)
def test_what_is_returned_unexecuted_fails_the_run(tmp_path: Path, code: str, reason: str) -> None:
    """A generator, a lazy iterator or a function that was not called is no success."""
    with pytest.raises(executable.NotExecutedError, match=reason):
        load(tmp_path, code)([1])


def test_an_async_run_is_awaited(tmp_path: Path) -> None:
    """All of it has executed when the call returns, also behind a decorator."""
    code = """
import asyncio, functools
def logged(function):
    @functools.wraps(function)
    def call(ctx):
        return function(ctx)
    return call
@logged
async def run(ctx):
    await asyncio.sleep(0)
    ctx.append("done")
"""
    seen: list[str] = []
    assert load(tmp_path, code)(seen) is None
    assert seen == ["done"]


def test_tasks_that_are_left_behind_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A task that was not awaited is cancelled, and that is said."""
    code = """
import asyncio
async def run(ctx):
    ctx.append(asyncio.create_task(asyncio.sleep(60), name="feed"))
"""
    load(tmp_path, code)([])
    assert capsys.readouterr().out == "tasks still running at the end of the run are cancelled: feed\n"
