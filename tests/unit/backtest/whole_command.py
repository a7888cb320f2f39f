"""Runs `openbell backtest` in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def backtest(*options: str, strategies: Path = ROOT / "strategies") -> subprocess.CompletedProcess[str]:
    """Run the command to its end, without the lines of progress that it prints on a busy machine."""
    command = [sys.executable, "-m", "openbell", "backtest", *options, "--strategies", str(strategies)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env={**os.environ})
    done.stderr = re.sub(r"^openbell: .* (slots, .* a second|symbols read).*\n", "", done.stderr, flags=re.MULTILINE)
    return done


def strategy(tmp_path: Path, code: str, manifest: str) -> Path:
    """Write a strategy `mine`; return the folder of the strategies."""
    folder = tmp_path / "strategies" / "mine"
    folder.mkdir(parents=True)
    (folder / "strategy.toml").write_text(manifest)
    (folder / "strategy.py").write_text(code)
    return tmp_path / "strategies"
