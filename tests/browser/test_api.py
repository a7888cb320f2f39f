"""The API under a generator of requests, valid and not, that knows only its description."""

import subprocess
import sys
from pathlib import Path

import pytest

from openbell.control import Control, unhalt
from tests.browser.conftest import TOKEN
from tests.browser.demo import Demo
from tests.browser.supervisor import Supervisor

# What a stranger to the demo could not guess.
KNOWN = """
[parameters]
"path.id" = "basket-1"
"path.name" = "basket"
"query.bot" = "pulse"
"path.run_id" = "run-200"
"""


@pytest.mark.parametrize("phases", ["fuzzing", pytest.param("examples,coverage", marks=pytest.mark.long)])
def test_it_keeps_to_its_description(supervisor: Supervisor, demo: Demo, tmp_path: Path, phases: str) -> None:
    """Every answer is one that is described, every mistake is refused, nothing is changed without the token."""
    (tmp_path / "schemathesis.toml").write_text(KNOWN)
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{supervisor.page}/api/openapi.json"),
        *("--phases", phases, "--max-examples", "5", "--seed", "1", "--no-color"),
        *("--header", f"Authorization: Bearer {TOKEN}"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Tested: 33" in done.stdout
    assert "Exception in ASGI application" not in supervisor.log
    # It asked for pauses and runs that were valid, too: put everything back.
    control = Control(demo.control, "basket")
    assert '"event": "bot.paused"' in supervisor.log
    control.resume("basket-1")
    unhalt(demo.control)
