"""The words of messages, whole."""

from datetime import timedelta

import pytest

from openbell.supervisor.alerts.grouping import CANARY
from openbell.supervisor.alerts.messages import message
from openbell.supervisor.model.conditions import KINDS
from tests.unit.supervisor.alerts.scenes import HOUR, MINUTE, NOW, condition, incident, member


def test_one_bot() -> None:
    """What, since when in the bot's own time, what was expected, the reason, what to do."""
    said = message(incident(member(condition=condition(count=3))), "alert", NOW)
    assert (said.severity, said.title) == ("critical", "CRITICAL: alpha missed a slot")
    assert said.body.splitlines() == [
        "What: alpha (of fund) missed a slot (3 in a row)",
        "Since: Mon 23 Nov 09:35:01 EST",
        "Expected: a run at 09:35:00 EST",
        "Reason: not started within its grace",
        "Do: " + KINDS["missed"].advice.format(strategy="fund", bot="alpha"),
    ]


def test_many_bots_are_a_list_that_fits_a_phone() -> None:
    """A thousand bots are named as the first few and a number, by kind; the first reason stands for all."""
    late = [member(f"b{number}") for number in range(1000)]
    dead = [
        member("", "stalled", condition=condition("", "stalled", "fund", reason="no sign of life since 09:34:00 EST"))
    ]
    said = message(incident(*late, *dead), "alert", NOW)
    assert said.title == "CRITICAL: 1 strategy and 1000 bots: shows no sign of life, missed a slot"
    lines = said.body.splitlines()
    assert lines[0] == "- shows no sign of life: fund"
    assert lines[1] == "- missed a slot: b0, b1, b2, b3, b4, b5, b6, b7 and 992 more"
    assert "Reason: no sign of life since 09:34:00 EST (and 1 other reasons)" in lines
    assert len(said.body) < 1000


def test_the_end_says_what_was_missed_and_for_how_long() -> None:
    """Slots in all, from when to when, and why."""
    gone = member(condition=condition(count=4), closed=3 * MINUTE)
    said = message(incident(gone), "recovery", NOW + 5 * MINUTE)
    assert (said.severity, said.title) == ("good", "OK: alpha recovered")
    assert said.body.splitlines() == [
        "- missed a slot (4 slots in all): alpha",
        "From Mon 23 Nov 09:35:01 EST to Mon 23 Nov 09:39:01 EST (4 min)",
        "Reason: not started within its grace",
    ]


def test_a_reminder_says_what_is_over_meanwhile() -> None:
    """It names what is still wrong, and what of it is not any more."""
    about = incident(member(), member("beta", closed=MINUTE, told=True))
    said = message(about, "reminder", NOW + HOUR)
    assert said.title == "CRITICAL: still: alpha missed a slot"
    assert said.body.splitlines()[0] == "Still wrong after 1 h (reminder 1)."
    assert said.body.splitlines()[-1] == "Recovered: beta"


def test_a_warning_is_not_called_critical() -> None:
    """Severity stands in front, in words."""
    assert message(incident(member(kind="slower")), "alert", NOW).title.startswith("WARNING: ")


def test_a_canary_cannot_be_taken_for_the_real_thing() -> None:
    """Its title and its first line say that it is a test."""
    said = message(incident(member("canary"), cause=CANARY), "canary", NOW)
    assert said.title == "INFO: canary (a test)"
    assert said.body.startswith("This is a test that was asked for: nothing is wrong.")


@pytest.mark.parametrize("kind", [*KINDS, "something new"])
@pytest.mark.parametrize("bot", ["alpha", ""])
@pytest.mark.parametrize("sort", ["alert", "update", "reminder", "recovery", "summary"])
def test_every_kind_has_words(kind: str, bot: str, sort: str) -> None:
    """No kind, whatever it concerns, makes a message with a hole in it, and none is long."""
    closed: dict[str, object] = {"closed": timedelta(seconds=5)} if sort == "recovery" else {}
    one = member(bot, kind, **closed)  # type: ignore[arg-type]
    machine = member("", kind, condition=condition("", kind, "", reason="x" * 5000), **closed)  # type: ignore[arg-type]
    for about in (incident(one), incident(machine), incident(one, machine)):
        said = message(about, sort, NOW)
        assert said.title
        assert "{" not in said.title + said.body
        assert "  " not in said.title
        assert len(said.body) < 1500
