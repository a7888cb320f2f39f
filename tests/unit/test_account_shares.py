"""What strategies on one account say of their holdings, and what the supervisor passes on to each of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell import account_shares
from openbell.manifest import Capital
from openbell.supervisor.health.control_state import AGAIN, SharedAccounts
from tests.order_attempts import MANIFEST

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
NAMES = ("one", "two", "three")


def shared(tmp_path: Path, *, live: str = "", alone: str = "") -> SharedAccounts:
    """Return the accounts of three strategies at one broker. live: trades with real money; alone: has no share."""
    manifests = [
        replace(
            MANIFEST,
            name=name,
            broker="alpaca",
            live=name == live,
            capital=Capital() if name == alone else Capital(part=0.3),
        )
        for name in NAMES
    ]
    for name in NAMES:
        (tmp_path / "journal" / name).mkdir(parents=True)
    return SharedAccounts(manifests, tmp_path / "journal", tmp_path / "control")


def publish(tmp_path: Path, name: str, held: account_shares.Shares) -> None:
    """Let a strategy say what it holds."""
    account_shares.publish(tmp_path / "journal" / name, held)


def others(tmp_path: Path, name: str, now: datetime = NOW) -> list[account_shares.Shares] | None:
    """Return what a strategy is told of the others."""
    return account_shares.others(tmp_path / "control", name, now)


def test_each_learns_what_the_others_hold(tmp_path: Path) -> None:
    """Not its own; and what changes is passed on with the next step."""
    accounts = shared(tmp_path)
    for number, name in enumerate(NAMES):
        publish(tmp_path, name, {"AAPL": (number, number + 1)})
    accounts.step(NOW)
    assert others(tmp_path, "one") == [{"AAPL": (1.0, 2.0)}, {"AAPL": (2.0, 3.0)}]
    assert others(tmp_path, "three") == [{"AAPL": (0.0, 1.0)}, {"AAPL": (1.0, 2.0)}]
    publish(tmp_path, "two", {})
    accounts.step(NOW + timedelta(seconds=1))
    assert others(tmp_path, "one") == [{}, {"AAPL": (2.0, 3.0)}]


def test_while_one_says_nothing_the_others_know_of_nobody(tmp_path: Path) -> None:
    """A strategy that has not started since it was updated: then only what is missing differs."""
    accounts = shared(tmp_path)
    publish(tmp_path, "one", {})
    publish(tmp_path, "two", {})
    accounts.step(NOW)
    assert others(tmp_path, "one") is None
    assert others(tmp_path, "three") == [{}, {}]


def test_other_accounts_are_no_matter(tmp_path: Path) -> None:
    """Real money is another account, and who has an account to itself is told nothing."""
    accounts = shared(tmp_path, live="two", alone="three")
    for name in NAMES:
        publish(tmp_path, name, {})
    accounts.step(NOW)
    assert [others(tmp_path, name) for name in NAMES] == [None, None, None]
    assert not (tmp_path / "control").exists()


def test_what_was_told_long_ago_is_not_known(tmp_path: Path) -> None:
    """The supervisor does not run any more; while it runs, it says so each minute."""
    accounts = shared(tmp_path)
    for name in NAMES:
        publish(tmp_path, name, {})
    accounts.step(NOW)
    for edge in (NOW - account_shares.CURRENT, NOW + account_shares.CURRENT):
        assert others(tmp_path, "one", edge) == [{}, {}]
    late = NOW + account_shares.CURRENT + timedelta(seconds=1)
    assert others(tmp_path, "one", late) is None
    assert others(tmp_path, "one", NOW - account_shares.CURRENT - timedelta(seconds=1)) is None
    accounts.step(NOW + AGAIN)
    assert others(tmp_path, "one", late) == [{}, {}]


@pytest.mark.parametrize("text", [
    "", "[]", "{}", '{"held": 3}', '{"held": {"AAPL": 3}}', '{"held": {"AAPL": [1, NaN]}}', '{"held": {"AAPL": [1, "2"]}}',
    '{"held": {"AAPL": [1, 1e999]}}', '{"held": {"AAPL": [-1e999, 1]}}',
])  # fmt: skip
def test_what_a_strategy_says_may_be_anything(tmp_path: Path, text: str) -> None:
    """It is nothing that others could reckon with."""
    (tmp_path / "journal" / "one").mkdir(parents=True)
    (tmp_path / "journal" / "one" / account_shares.FILE).write_text(text)
    assert account_shares.published(tmp_path / "journal" / "one") is None


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    """A run publishes at each order and at its end."""
    (tmp_path / "journal" / "one").mkdir(parents=True)
    publish(tmp_path, "one", {"AAPL": (1.0, 2.0)})
    written = (tmp_path / "journal" / "one" / account_shares.FILE).stat().st_ino
    publish(tmp_path, "one", {"AAPL": (1.0, 2.0)})
    assert (tmp_path / "journal" / "one" / account_shares.FILE).stat().st_ino == written


def test_while_one_cannot_be_read_none_is_known(tmp_path: Path) -> None:
    """A part of what others hold would make a difference of the rest."""
    (tmp_path / "control" / "one").mkdir(parents=True)
    told = f'{{"at": "{NOW:%Y-%m-%dT%H:%M:%S}.000Z", "others": [{{"AAPL": [1, 2]}}, 3]}}'
    (tmp_path / "control" / "one" / account_shares.OTHERS).write_text(told)
    assert others(tmp_path, "one") is None
    (tmp_path / "control" / "one" / account_shares.OTHERS).write_text(told.replace(", 3]", "]"))
    assert others(tmp_path, "one") == [{"AAPL": (1.0, 2.0)}]
