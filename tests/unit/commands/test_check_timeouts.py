"""`openbell check` and runs that may last longer than the time between slots."""

from pathlib import Path

import pytest

from openbell.commands.check import main

HEAD = 'timezone = "UTC"\n[[bot]]\nid = "b"\nsymbols = ["AAPL"]\n'


@pytest.mark.parametrize(
    "bot, apart",
    [
        ('every = "5s"\ntimeout = "30s"\n', "5"),
        ('every = "30s"\ntimeout = "30s"\n', None),
        ('at = ["09:30", "09:31"]\ntimeout = "2m"\n', "60"),
        ('at = "09:30"\ntimeout = "23h"\n', None),
        ('kind = "stream"\ntimeout = "2m"\n', None),
    ],
)
def test_a_timeout_longer_than_the_time_between_slots_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bot: str, apart: str | None
) -> None:
    """It is no mistake, since runs may be short; a stream has no slots (W16)."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "strategy.toml").write_text(HEAD + bot)
    (tmp_path / "one" / "strategy.py").write_text("def run(ctx):\n    pass\n\n\ndef stream(ctx):\n    pass\n")
    assert main(["--strategies", str(tmp_path)]) == 0
    *notes, summary = capsys.readouterr().out.splitlines()
    assert summary == "1 strategies with 1 bots: no problems"
    assert len(notes) == (apart is not None)
    if apart is not None:
        assert f"its slots are {apart} s apart: what comes due during a run is skipped" in notes[0]
