"""What is put into /etc/docker/daemon.json."""

import json

import pytest

from deploy.errors import CommandError
from deploy.provision.daemon import change

WANTED = {"live-restore": True, "log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}


@pytest.mark.parametrize("text", [None, "", "{}"])
def test_a_host_without_settings_gets_ours(text: str | None) -> None:
    """Nothing written is nothing to keep."""
    made = change(text, live_restore=True)
    assert made
    assert json.loads(made.text) == WANTED
    assert made.words == ("live-restore on", "log rotation max-size 10m, max-file 3")


def test_what_is_there_is_not_written_again() -> None:
    """So the second time changes nothing."""
    assert change(json.dumps(WANTED), live_restore=True) is None


@pytest.mark.parametrize(
    "before,added",
    [
        ({"mtu": 1400}, WANTED),
        ({"live-restore": False}, {"live-restore": True}),
        ({"log-driver": "journald"}, {"live-restore": True}),
        ({"log-driver": "local", "log-opts": {"max-size": "1m"}}, {"live-restore": True}),
        ({"log-opts": {"max-size": "50m", "tag": "x"}}, {"log-opts": {"max-size": "50m", "tag": "x", "max-file": "3"}}),
        ({"hosts": ["fd://"], "live-restore": True}, {"log-opts": {"max-size": "10m", "max-file": "3"}}),
    ],
)
def test_what_a_person_wrote_stays(before: dict[str, object], added: dict[str, object]) -> None:
    """Only what is missing is added; another log driver keeps its own house."""
    made = change(json.dumps(before), live_restore=True)
    assert made
    after = json.loads(made.text)
    assert {key: value for key, value in after.items() if key in before and key not in added} == {
        key: value for key, value in before.items() if key not in added
    }
    assert {key: after[key] for key in added} == added
    assert set(after) <= {*before, *WANTED}


def test_a_swarm_gets_log_rotation_alone() -> None:
    """Its engine refuses to start with live-restore."""
    made = change(None, live_restore=False)
    assert made
    assert "live-restore" not in json.loads(made.text)


@pytest.mark.parametrize(
    "text,expected",
    [
        ('{"mtu": }', "is not valid JSON .*: fix it and try again; nothing was changed"),
        ("[]", "found list; allowed: an object"),
        ('{"log-opts": "10m"}', 'log-opts: found "10m"; allowed: an object'),
    ],
)
def test_what_cannot_be_read_is_not_replaced(text: str, expected: str) -> None:
    """It belongs to the user, who has to correct it."""
    with pytest.raises(CommandError, match=f"^/etc/docker/daemon.json there.*{expected}"):
        change(text, live_restore=True)
