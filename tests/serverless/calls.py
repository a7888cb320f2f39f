"""A strategy of a test's own, called as a function, here or in processes that are instances of it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell.journal import Event
from openbell.postgres.database import Database
from openbell.postgres.tables import SHARED_SCHEMA as SCHEMA
from openbell.runner.serverless.function import Function, FunctionResponse

BUYS = "def run(ctx):\n    for symbol in ctx.symbols:\n        ctx.order(symbol, 'buy', 2, reason='test')\n"
HOLDS = "def run(ctx):\n    for symbol in ctx.symbols:\n        ctx.hold(symbol, reason='fine')\n"
FAILS = "def run(ctx):\n    raise ValueError('no bars')\n"
SCHEDULE = {"trigger": "schedule"}  # a call that asks for what is due
# A process of its own: one instance. It says when it is ready, and calls when it is told to.
INSTANCE = """
import json, sys
from pathlib import Path
from openbell.runner.serverless import Function
function = Function(Path(sys.argv[1]))
function.call({"bot": "none"}, "test")
print("ready", flush=True)
sys.stdin.readline()
answer = function.call(json.loads(sys.argv[2]), "test")
print("answer " + json.dumps(answer), flush=True)
"""


class World:
    """One strategy, `demo`, and its database."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder / "strategies" / "demo"
        self.folder.mkdir(parents=True)
        self.url = url
        self.environment = {**os.environ, "OPENBELL_DATABASE_URL": url, "TMPDIR": str(folder)}

    def write(self, code: str = HOLDS, bot: str = "", top: str = "", *, slot: bool = True) -> None:
        """Write the strategy's files; its bot's newest slot was a moment ago, and the next one is tomorrow."""
        at = datetime.now(UTC) - timedelta(seconds=2) if slot else datetime.now(UTC) + timedelta(hours=12)
        bots = f'[[bot]]\nid = "b"\nsymbols = ["AAPL", "MSFT"]\nat = "{at:%H:%M:%S}"\ngrace = "10m"\n{bot}\n'
        (self.folder / "strategy.toml").write_text(f'timezone = "UTC"\n{top}\n{bots}')
        (self.folder / "strategy.py").write_text(code)

    def function(self, environment: Mapping[str, str] | None = None) -> Function:
        """Return a new instance in this process."""
        return Function(self.folder, environment or self.environment)

    def call(self, **body: object) -> FunctionResponse:
        """Call a new instance."""
        return self.function().call(body or {"trigger": "schedule"}, "test")

    def instance(self, body: Mapping[str, object]) -> "subprocess.Popen[str]":
        """Start an instance, which is warm and waits for a line before it calls."""
        process = subprocess.Popen(
            [sys.executable, "-c", INSTANCE, str(self.folder), json.dumps(body)],
            env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while (line := (process.stdout or sys.stdin).readline()) != "ready\n":
            assert line, process.communicate()[1]
        return process

    def query(self, statement: str, schema: str = SCHEMA) -> list[tuple[object, ...]]:
        """Ask the database."""
        database = Database(self.url, schema)
        try:
            return [tuple(row) for row in database.execute(statement)]
        finally:
            database.close()

    def events(self, *names: str) -> list[Event]:
        """Return the lines that are stored, of some events or of all."""
        lines = [json.loads(str(row[0])) for row in self.query("SELECT line FROM journal ORDER BY number")]
        return [line for line in lines if not names or line["event"] in names]


def go(process: "subprocess.Popen[str]") -> None:
    """Let an instance call."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def answer(process: "subprocess.Popen[str]") -> tuple[int, dict[str, object]]:
    """Wait for an instance's answer."""
    output, errors = process.communicate(timeout=60)
    answers = [line.removeprefix("answer ") for line in output.splitlines() if line.startswith("answer ")]
    assert answers, output + errors
    code, body = json.loads(answers[0])
    return code, body
