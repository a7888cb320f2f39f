"""Acknowledge, snooze, escalate: over a real file, with a clock that only tests move."""

from datetime import timedelta
from pathlib import Path

import pytest

from openbell.supervisor.alerts import incident_messages
from openbell.supervisor.alerts.settings import AlertSettings, Channel, Escalation, from_environment
from tests.unit.supervisor.alerts.scenes import HOOK, HOUR, MINUTE, SECOND, Room, condition, room

SMS, MAIL = Channel("sms", "json://127.0.0.1:9/sms"), Channel("mail", "json://127.0.0.1:9/mail", fallback=True)
STEPS = AlertSettings(channels=(HOOK, SMS, MAIL), escalations=(Escalation(15 * MINUTE, "sms"),))


def delivered(here: Room) -> list[tuple[object, ...]]:
    """Return the sort of each message with its channel, in the order of their storing."""
    query = "SELECT m.sort, d.channel FROM deliveries d JOIN messages m ON m.id = d.message ORDER BY d.id"
    return here.rows(query)


def test_what_no_person_answers_goes_to_the_next_channel(tmp_path: Path) -> None:
    """After its time, once, with what follows; a channel for that hears of nothing else."""
    with room(tmp_path, STEPS) as here:
        here.see()
        here.during(16 * MINUTE, condition(), step=30 * SECOND)
        assert delivered(here) == [("alert", "hook"), ("escalation", "sms")]
        title, body = here.messages()[1][1:]
        assert title == "CRITICAL: not acknowledged: alpha missed a slot"
        assert body.startswith("No person has acknowledged this for 15 min.")
        here.restart(10 * SECOND)
        here.during(10 * MINUTE, condition(), step=30 * SECOND)
        assert len(delivered(here)) == 2
        here.see(after=SECOND)
        assert delivered(here)[2:] == [("recovery", "hook"), ("recovery", "sms")]


def test_an_acknowledged_incident_is_not_escalated(tmp_path: Path) -> None:
    """An answer that another thread stores is obeyed at the next snapshot, and survives a restart."""
    with room(tmp_path, STEPS) as here:
        here.see()
        here.during(MINUTE, condition())
        (incident,) = here.memory.incidents()
        assert incident_messages.answer(here.file, incident.id, here.now, "token")
        here.during(HOUR, condition(), step=30 * SECOND)
        here.restart(10 * SECOND)
        here.during(2 * HOUR, condition(), step=30 * SECOND)
        assert delivered(here) == [("alert", "hook")]
        assert here.memory.incidents()[0].handled_by == "token"


def test_a_snooze_ends(tmp_path: Path) -> None:
    """Nothing is said before its end, then a reminder, and later the next channel."""
    with room(tmp_path, STEPS) as here:
        here.see()
        here.during(MINUTE, condition())
        assert incident_messages.answer(
            here.file, here.memory.incidents()[0].id, here.now, "token", here.now + 2 * HOUR
        )
        here.during(2 * HOUR - SECOND, condition(), step=30 * SECOND)
        assert delivered(here) == [("alert", "hook")]
        here.during(16 * MINUTE, condition(), step=30 * SECOND)
        assert delivered(here)[1:] == [("reminder", "hook"), ("escalation", "sms")]


def test_a_snooze_of_a_clock_that_was_ahead_is_over(tmp_path: Path) -> None:
    """A correction of the clock does not let a snooze of an hour last a year."""
    with room(tmp_path) as here:
        here.see()
        here.now += timedelta(days=365)
        here.during(MINUTE, condition())
        assert incident_messages.answer(here.file, here.memory.incidents()[-1].id, here.now, "token", here.now + HOUR)
        here.see(condition())
        here.see(condition(), after=-timedelta(days=365))
        here.during(2 * HOUR, condition(), step=MINUTE)
        assert here.said()[-1][0] == "reminder"


def test_what_is_over_takes_no_answer(tmp_path: Path) -> None:
    """Neither does an incident that there never was."""
    with room(tmp_path) as here:
        here.see()
        here.during(MINUTE, condition())
        (incident,) = here.memory.incidents()
        here.see(after=SECOND)
        assert not incident_messages.answer(here.file, incident.id, here.now, "token")
        assert not incident_messages.answer(here.file, 999, here.now, "token")
        assert here.rows("SELECT count(*) FROM handling") == [(0,)]


URLS = {"OPENBELL_ALERT_URLS": "hook=json://a/1 sms=json://a/2 mail=json://a/3", "OPENBELL_ALERT_FALLBACK": "mail"}


def test_the_setting_names_channels_and_times() -> None:
    """The soonest comes first, however they are written."""
    urls = "hook=json://a/1 sms=json://a/2 boss=json://a/3"
    given = {"OPENBELL_ALERT_URLS": urls, "OPENBELL_ALERT_ESCALATE": "boss=1h, sms=15m"}
    assert from_environment(given).escalations == (Escalation(15 * MINUTE, "sms"), Escalation(HOUR, "boss"))


@pytest.mark.parametrize(
    "wrong", ["sms", "nope=15m", "sms=15", "sms=1s", "mail=15m", "sms=15m sms=30m", "hook=1h sms=2h"]
)
def test_a_wrong_setting_is_one_line(wrong: str) -> None:
    """It names the variable and what is allowed."""
    with pytest.raises(ValueError, match=r"^OPENBELL_ALERT_ESCALATE: ") as caught:
        from_environment(URLS | {"OPENBELL_ALERT_ESCALATE": wrong})
    assert "\n" not in str(caught.value)
