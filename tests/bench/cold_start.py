"""How long a function's cold start takes: from the start of its process to the run's first line, run_start.

`python -m tests.bench.cold_start [STRATEGY]`: the folder that `make serverless TARGET=digitalocean` writes, started as that
provider's launcher does, against a PostgreSQL on this machine. What a provider adds (a machine, its network) is not in it.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from openbell.manifest import load
from tests.serverless.postgres import running_server
from tests.serverless.runtimes import LAUNCHER, written

TIMES = 15


def main() -> None:
    """Print the figures."""
    name = sys.argv[1] if len(sys.argv) > 1 else "ma_crossover"
    strategy = Path("strategies") / name
    symbol = load(strategy).bots[0].symbols[0]
    bot = load(strategy).bots[0].id
    with running_server() as server, tempfile.TemporaryDirectory() as temporary:
        code = written("digitalocean", strategy, Path(temporary))
        (code / "__main__.py").rename(code / "main__.py")
        environment = {**os.environ, "OPENBELL_DATABASE_URL": server.url(), "TMPDIR": temporary}
        event = json.dumps({"value": {"bot": bot, "symbol": symbol}}) + "\n"
        for what, more in (("bytecode is there", {}), ("nothing is compiled yet", _without_bytecode(temporary))):
            taken = [_once(code, environment | more, event) for _ in range(TIMES + 1)][1:]
            wall, processor = zip(*taken, strict=True)
            print(
                f"cold start of {name}, {what}: median {statistics.median(wall):.0f} ms (shortest of {TIMES} {min(wall):.0f} ms, longest "
                f"{max(wall):.0f} ms), of which its own processor time {statistics.median(processor):.0f} ms",
                flush=True,
            )


def _without_bytecode(temporary: str) -> dict[str, str]:
    return {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": f"{temporary}/nothing"}


def _once(code: Path, environment: dict[str, str], event: str) -> tuple[float, float]:
    """Return the milliseconds from the start of a process to its run_start, and how long it was computing."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, "2"], cwd=code, env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(event)
    process.stdin.flush()
    while '"run_start"' not in (line := process.stdout.readline()):
        assert line, "the function ended without a run"
    taken = 1000 * (time.monotonic() - began)
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    computing = 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # user and system, see proc(5)
    process.communicate(timeout=60)
    return taken, computing


if __name__ == "__main__":
    main()
