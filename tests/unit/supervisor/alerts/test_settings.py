"""The settings: what is taken, and the one line about what is not."""

from datetime import time, timedelta
from pathlib import Path

import pytest

from openbell.supervisor.alerts.quiet_hours import DailyTime, QuietHours
from openbell.supervisor.alerts.settings import AlertSettings, from_environment
from tests.unit.supervisor.alerts.scenes import environment

TOKEN = "a1b2c3d4e5f6"


def test_nothing_has_to_be_set() -> None:
    """An empty environment, or one of empty values as Compose passes it, is the defaults."""
    assert from_environment({}) == AlertSettings()
    assert from_environment(environment(ALERT_URLS="", QUIET_HOURS=" ", DEADMAN_EVERY="")) == AlertSettings()


def test_all_that_can_be_set(tmp_path: Path) -> None:
    """Channels from the variable and from a file, with and without names, and everything else."""
    (tmp_path / "urls").write_text("# at home\nhome=json://192.168.0.9/x\n\nntfy://topic/with,comma=1\n")
    (tmp_path / "ping").write_text(f"https://hc.example/{TOKEN}\n")
    settings = from_environment(
        environment(
            ALERT_URLS="phone=ntfy://topic?priority=5 mailtos://a:b@c.example ntfy://other",
            ALERT_URLS_FILE=str(tmp_path / "urls"),
            ALERT_FALLBACK="home",
            ALERT_FALLBACK_FAILURES="5",
            ALERT_FALLBACK_TIME="90s",
            ALERT_AFTER="2, failed=3 btc-15m=4, btc-15m/missed=1",
            RECOVER_AFTER="missed=2",
            REMIND="30m, 1d",
            QUIET_HOURS="22:00-07:30 Europe/Berlin",
            DIGEST_MORNING="mon-fri 08:30 America/New_York",
            DIGEST_EVENING="16:30 UTC",
            DEADMAN_URL_FILE=str(tmp_path / "ping"),
            DEADMAN_EVERY="5m",
        )
    )
    channels = [(channel.name, channel.scheme, channel.fallback) for channel in settings.channels]
    assert channels == [
        ("phone", "ntfy", False),
        ("mailtos", "mailtos", False),
        ("ntfy", "ntfy", False),
        ("home", "json", True),
        ("ntfy-2", "ntfy", False),
    ]
    assert settings.channels[4].url == "ntfy://topic/with,comma=1"
    assert (settings.fallback_failures, settings.fallback_time) == (5, timedelta(seconds=90))
    after = settings.alert_after
    found = [
        after.of(kind, bot)
        for kind, bot in [("missed", "x"), ("failed", "x"), ("failed", "btc-15m"), ("missed", "btc-15m")]
    ]
    assert found == [2, 3, 4, 1]
    assert after.of("stalled", "") == 1, "what counts no slots has no threshold"
    assert settings.recover_after.of("missed", "x") == 2
    assert settings.remind == (timedelta(minutes=30), timedelta(days=1))
    assert settings.quiet == QuietHours(time(22), time(7, 30), "Europe/Berlin")
    assert settings.digests == (
        DailyTime("morning", time(8, 30), "America/New_York", frozenset(range(5))),
        DailyTime("evening", time(16, 30), "UTC", frozenset(range(7))),
    )
    assert (settings.deadman_url, settings.deadman_every) == (f"https://hc.example/{TOKEN}", timedelta(minutes=5))
    assert from_environment(environment(REMIND="never")).remind == ()


@pytest.mark.parametrize(
    "given,said",
    [
        ({"ALERT_URLS": f"phone={TOKEN}"}, "OPENBELL_ALERT_URLS: entry 1 is not a channel"),
        ({"ALERT_URLS": f"a=ntfy://x a=ntfy://{TOKEN}"}, 'OPENBELL_ALERT_URLS: two channels have the name "a"'),
        ({"ALERT_URLS_FILE": "/no/such/file"}, "OPENBELL_ALERT_URLS_FILE: /no/such/file cannot be read (No such file"),
        ({"ALERT_URLS": "a=ntfy://x", "ALERT_FALLBACK": "b"}, 'OPENBELL_ALERT_FALLBACK: found "b"; allowed: names of channels (a)'),
        ({"ALERT_URLS": "a=ntfy://x", "ALERT_FALLBACK": "a"}, "OPENBELL_ALERT_FALLBACK: names every channel"),
        ({"ALERT_FALLBACK_FAILURES": "0"}, "OPENBELL_ALERT_FALLBACK_FAILURES: found"),
        ({"ALERT_FALLBACK_TIME": "2 m"}, "OPENBELL_ALERT_FALLBACK_TIME: found"),
        ({"ALERT_AFTER": "failed"}, 'OPENBELL_ALERT_AFTER: found "failed"'),
        ({"ALERT_AFTER": "stalled=2"}, 'OPENBELL_ALERT_AFTER: found "stalled=2"'),
        ({"RECOVER_AFTER": "21"}, 'OPENBELL_RECOVER_AFTER: found "21"'),
        ({"REMIND": "1s"}, 'OPENBELL_REMIND: found "1s"'),
        ({"REMIND": "often"}, 'OPENBELL_REMIND: found "often"'),
        ({"QUIET_HOURS": "22:00-07:00"}, "OPENBELL_QUIET_HOURS: found"),
        ({"QUIET_HOURS": "22:00-07:00 Mars"}, "OPENBELL_QUIET_HOURS: found"),
        ({"QUIET_HOURS": "22:00-22:00 UTC"}, "OPENBELL_QUIET_HOURS: found"),
        ({"QUIET_HOURS": "24:00-07:00 UTC"}, "OPENBELL_QUIET_HOURS: found"),
        ({"DIGEST_MORNING": "08:30"}, "OPENBELL_DIGEST_MORNING: found"),
        ({"DIGEST_EVENING": "sometimes 08:30 UTC"}, "OPENBELL_DIGEST_EVENING: found"),
        ({"DEADMAN_URL": f"ftp://{TOKEN}"}, "OPENBELL_DEADMAN_URL: it is not an address"),
        ({"DEADMAN_EVERY": "5s"}, "OPENBELL_DEADMAN_EVERY: found"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_line_without_a_secret(given: dict[str, str], said: str) -> None:
    """It names the variable and what is allowed, and shows nothing that could be a token."""
    with pytest.raises(ValueError, match="OPENBELL_") as caught:
        from_environment(environment(**given))
    line = str(caught.value)
    assert said in line
    assert "\n" not in line
    assert TOKEN not in line


def test_a_channel_that_is_printed_hides_its_address() -> None:
    """Neither a channel nor the settings show a URL when something prints them."""
    settings = from_environment(environment(ALERT_URLS=f"a=ntfy://{TOKEN}", DEADMAN_URL=f"https://x.example/{TOKEN}"))
    assert TOKEN not in repr(settings)
