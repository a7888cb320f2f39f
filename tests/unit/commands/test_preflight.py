"""What is wrong with a release is found before the old one is touched, and nothing of the strategy's own is written."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from openbell.commands import preflight
from openbell.ledger import Ledger
from tests.unit.strategy_file import write

TOML = 'timezone = "America/New_York"\nsecrets = ["KEY"]\n[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nevery = "5m"\ntimeout = "30s"\n'
CODE = 'def run(ctx):\n    ctx.order("AAPL", "buy", 1, reason="a test")\n    ctx.state["seen"] = 1\n'


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A container of the strategy demo, with its image's clock; its folder."""
    for name in ("journal", "state", "control"):
        monkeypatch.setenv(f"OPENBELL_{name.upper()}", str(tmp_path / name))
    folder = write(tmp_path, TOML)
    (folder / "strategy.py").write_text(CODE)
    monkeypatch.setenv("OPENBELL_FOLDER", str(folder))
    monkeypatch.setenv("OPENBELL_STRATEGY", "demo")
    monkeypatch.setenv("KEY", "s3cret-value")
    for zone in ("America/New_York", "Europe/Berlin"):
        path = tmp_path / "usr/share/zoneinfo" / zone
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(zone)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/localtime").write_text("America/New_York")
    return folder


def run(image: Path, *arguments: str) -> int:
    """Run the preflight of the image."""
    return preflight.main(["--root", str(image.parent), *arguments])


def test_a_release_that_is_well_leaves_nothing_behind(image: Path) -> None:
    """Its rehearsal orders on paper, and neither orders nor state nor journal lines are left."""
    with closing(Ledger(image.parent / "state/demo/ledger.sqlite")) as ledger:
        ledger.keep_state("b", {"seen": 0})
    assert run(image, "--rehearse") == 0
    with closing(Ledger(image.parent / "state/demo/ledger.sqlite")) as ledger:
        assert ledger.state("b") == {"seen": 0}
        assert ledger.open_claims() == []
        assert ledger.accounted_until("b") is None
    assert list((image.parent / "journal/demo").glob("*.jsonl")) == []
    assert list((image.parent / "state/demo").glob("paper*")) == []


def test_the_rehearsal_sees_the_state_that_there_is(image: Path) -> None:
    """A copy of it: code that cannot read the state of the release before fails here."""
    with closing(Ledger(image.parent / "state/demo/ledger.sqlite")) as ledger:
        ledger.keep_state("b", {"seen": "old form"})
    (image / "strategy.py").write_text("def run(ctx):\n    ctx.state['seen'] + 1\n")
    assert run(image, "--rehearse") == 1


@pytest.mark.parametrize(
    "code,said",
    [
        ("import no_such_module\n", "demo: bot b: strategy.py cannot be imported: ModuleNotFoundError"),
        ("x = 1\n", "demo: bot b: strategy.py has no function run"),
        ("def run(ctx):\n    raise ValueError('no good')\n", "demo: bot b: ValueError: no good"),
        ("import os\ndef run(ctx):\n    os._exit(3)\n", "exit code 3 (os._exit)"),
        ("def run(ctx):\n    raise ValueError(ctx.secret('KEY'))\n", "ValueError: ***"),
    ],
)
def test_code_that_does_not_work_is_told(image: Path, code: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    """In one line, without the secrets that it may quote."""
    (image / "strategy.py").write_text(code)
    assert run(image, "--rehearse") == 1
    told = capfd.readouterr().err
    assert said in told
    assert "s3cret" not in told


def test_a_rehearsal_has_the_time_of_a_run(image: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One that goes on longer is ended, and is an error."""
    (image / "strategy.toml").write_text(TOML.replace("30s", "2s"))
    (image / "strategy.py").write_text("import time\ndef run(ctx):\n    time.sleep(60)\n")
    assert run(image, "--rehearse") == 1
    assert "demo: bot b: its rehearsal did not end within 2 s" in capfd.readouterr().err


def test_without_a_rehearsal_only_the_import_counts(image: Path) -> None:
    """`run` is not called."""
    (image / "strategy.py").write_text("def run(ctx):\n    raise ValueError('no good')\n")
    assert run(image) == 0


def test_a_secret_that_is_missing_is_named(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the strategy is imported."""
    os.environ.pop("KEY")
    assert run(image, "--rehearse") == 1
    assert "the secret KEY is not set" in capsys.readouterr().err


def test_a_clock_of_another_zone_is_told(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The image's is pinned when it is built."""
    (image.parent / "etc/localtime").write_text("Europe/Berlin")
    assert run(image) == 1
    assert "the image's clock is not at America/New_York" in capsys.readouterr().err


def test_a_manifest_that_is_not_valid_is_told(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Line by line."""
    (image / "strategy.toml").write_text(TOML.replace("5m", "5 minutes"))
    assert run(image) == 1
    assert "bot[0].every" in capsys.readouterr().err


def test_the_supervisor_looks_at_all_manifests(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no strategy of its own."""
    monkeypatch.delenv("OPENBELL_STRATEGY")
    folder = image.parent / "strategies"
    folder.mkdir()
    write(folder, TOML)
    monkeypatch.setattr(preflight, "MANIFESTS", folder)
    assert preflight.main([]) == 0
    (folder / "demo/strategy.toml").write_text("nonsense")
    assert preflight.main([]) == 1
