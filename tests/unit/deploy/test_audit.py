"""The audit as a table."""

from deploy.audit import table

DEPLOY = (
    '{"action": "deploy", "release": "20261121-091500-3f2a", "by": "me@laptop", "host": "vps", "outcome": "succeeded", '
    '"reason": "", "at": "2026-11-21T09:15:09Z"}'
)
PAUSE = (
    '{"action": "pause", "by": "me@laptop", "host": "vps", "outcome": "failed", "bot": "a", "reason": "earnings", '
    '"at": "2026-11-21T10:00:00Z"}'
)


def test_a_line_for_each_action() -> None:
    """Oldest first; what only some lines have stands beside the action."""
    assert table(f"{DEPLOY}\n{PAUSE}\n").splitlines() == [
        "WHEN                     WHAT                         OUTCOME    BY         ON   WHY",
        "2026-11-21 09:15:09 UTC  deploy 20261121-091500-3f2a  succeeded  me@laptop  vps  -",
        "2026-11-21 10:00:00 UTC  pause a                      failed     me@laptop  vps  earnings",
    ]


def test_a_line_that_is_torn_is_shown_as_that() -> None:
    """A power cut hides nothing else."""
    _, torn, whole = table(f'{{"action": "dep\n{DEPLOY}').splitlines()
    assert 'not readable: {"action": "dep' in torn
    assert "deploy 20261121-091500-3f2a" in whole


def test_nothing_was_done() -> None:
    """A host without an audit."""
    assert table("") == "No action is recorded there yet."
