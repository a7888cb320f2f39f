"""`make demo`, as a newcomer sees it: real processes by a faster clock."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from urllib.error import URLError

import pytest

from deploy.errors import CommandError
from deploy.local import demo
from deploy.local.demo_output import JournalTail, WebhookReceiver, words
from deploy.settings import Settings

ROOT = Path(__file__).parents[4]


@pytest.mark.timeout(240)
def page_at(address: str) -> str:
    """Return the page, which on a busy machine may be there later than the first run."""
    until = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(address) as answer:
                return str(answer.read().decode())
        except URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def test_the_whole_demo_in_its_order(tmp_path: Path) -> None:
    """Runs, the kill, the missed slot's alert, the restart, the recovery, all on the page, and nothing left behind.

    The demonstration is of the kit's own example, whatever folder of strategies the user has.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy", "demo"],
        cwd=ROOT,
        env={**os.environ, "OPENBELL_STRATEGIES": str(tmp_path)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    lines, pages, address = [], [], ""
    for line in process.stdout:
        lines.append(line)
        if found := re.search(r"page: (http://\S+?)\)", line):
            address = found[1]
        if "succeeded" in line or "ALERT" in line:
            pages.append(page_at(address))
    _, errors = process.communicate()
    said = "".join(lines)
    assert (process.returncode, errors) == (0, ""), said
    order = [
        "page: http://127.0.0.1:",
        "succeeded",
        "succeeded",
        "now pulse is killed",
        "was ended by SIGKILL",
        r"ALERT .* missed",
        "may start again",
        "its stop before was unclean",
        "did not run its slot",
        "succeeded",
        r"ALERT .* recovered",
        "stopping",
        r"stopped \(service: pulse\)",
        r"stopped \(service: supervisor\)",
        "the demo has ended",
    ]
    assert re.search(".*".join(order), said, re.DOTALL), said
    assert all("pulse" in page for page in pages)
    assert any("missed" in page for page in pages)
    folder = re.search(r"log: (\S+)/data/logs/", said)
    assert folder
    assert not Path(folder[1]).exists()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address)


def strategies_with(folder: Path, manifest: str, code: str = "") -> Path:
    """Write a `pulse` of one's own."""
    (folder / "pulse").mkdir()
    (folder / "pulse" / "strategy.toml").write_text(manifest)
    (folder / "pulse" / "strategy.py").write_text(code)
    return folder


def test_a_step_that_does_not_come_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the end of what the processes said, and after everything was ended."""
    monkeypatch.setattr(demo, "LIMIT", 3.0)
    strategies_with(tmp_path, 'timezone = "UTC"\n[[bot]]\nsymbols = ["A"]\nevery = "1m"\n', "import no_such_package")
    with pytest.raises(CommandError, match=r"^the demo did not come to its end: .* did not come within 3 s$"):
        demo.run(tmp_path, Settings())
    said = capsys.readouterr().out
    assert "No module named 'no_such_package'" in said
    assert "(service: supervisor)" in said.splitlines()[-1]


def test_a_manifest_that_is_not_valid_is_one_line(tmp_path: Path) -> None:
    """Before anything is started."""
    strategies_with(tmp_path, "nothing = 1\n")
    with pytest.raises(CommandError, match=r'^pulse/strategy.toml: .*"?nothing"?'):
        demo.run(tmp_path, Settings())


def test_the_journal_is_read_by_whole_lines(tmp_path: Path) -> None:
    """What is being written waits until its line is whole; each line comes once, over midnight too."""
    (tmp_path / "2026-01-05.jsonl").write_text('{"event": "a"}\n{"eve')
    journal = JournalTail(tmp_path)
    assert journal.new() == [{"event": "a"}]
    with (tmp_path / "2026-01-05.jsonl").open("a") as file:
        file.write('nt": "b"}\n')
    (tmp_path / "2026-01-06.jsonl").write_text('{"event": "c"}\n')
    assert journal.new() == [{"event": "b"}, {"event": "c"}]
    assert journal.new() == []


@pytest.mark.parametrize(
    "event, said",
    [
        (
            {"event": "decision", "action": "buy", "qty": 3.0, "symbol": "IBM", "reason": "fell"},
            "pulse buy 3 IBM: fell",
        ),
        ({"event": "decision", "action": "hold", "qty": 0, "symbol": "IBM", "reason": "-"}, "pulse hold IBM: -"),
        (
            {"event": "run_end", "slot": "2026-01-05T09:35:00Z", "outcome": "failed"},
            "pulse ran its slot 09:35:00: failed",
        ),
        ({"event": "error", "error": "ValueError: x"}, "pulse error: ValueError: x"),
        ({"event": "service_stop", "reason": "SIGTERM"}, "pulse stopped in order (SIGTERM)"),
    ],
)
def test_a_line_of_the_journal_in_words(event: dict[str, object], said: str) -> None:
    """When, which bot, and what."""
    line = {"timestamp": "2026-01-05T09:35:01.123456Z", "strategy": "pulse", "bot": "pulse", **event}
    assert words(line) == f"09:35:01  {said}"


def test_lines_that_say_nothing_new_are_left_out() -> None:
    """A run's begin is its end's line a moment later."""
    assert words({"event": "run_start"}) == ""


def test_the_letterbox_keeps_what_comes() -> None:
    """The form is that of the alerts' json:// channel."""
    with closing(WebhookReceiver()) as letters:
        address = letters.url.replace("json://", "http://")
        content = json.dumps({"title": "t", "message": "a\nb"}).encode()
        with urllib.request.urlopen(urllib.request.Request(address, content)) as answer:
            assert answer.status == 204
        assert [(one.title, one.text) for one in letters.new()] == [("t", "a\nb")]
        assert letters.new() == []
