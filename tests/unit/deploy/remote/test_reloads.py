"""Newer folders for a container that hosts several strategies: it lives on, whatever happens."""

import os
from pathlib import Path

import pytest

from deploy.remote.docker_client import Answer
from deploy.remote.host_queries import state
from deploy.remote.records import Records
from tests.unit.deploy.remote.engine import FakeContainer, FakeEngine
from tests.unit.deploy.remote.transactions import FAILED, RELOAD, order, records_below, transaction

NO_BEAT = Answer(3, "pulse: no sign of life within 5 s")


@pytest.fixture
def engine() -> FakeEngine:
    """An engine that runs the container for several strategies and has the images of both releases."""
    return engine_with_one()


def engine_with_one(*, fails: bool = False) -> FakeEngine:
    """Return such an engine. fails: whether the first run of the new release fails."""
    engine = FakeEngine()
    engine.add("together")
    engine.images.add("new")
    engine.answers["openbell idle"] = lambda call: Answer(0, "")
    if fails:
        engine.answers["gate --beat 120 --runs"] = lambda call: FAILED
    return engine


def only(engine: FakeEngine) -> FakeContainer:
    """Return the one container."""
    (one,) = engine.containers.values()
    return one


def points(engine: FakeEngine) -> list[str]:
    """Return what the links of the one container were changed to, in order; an empty text ends the second one."""
    return [call.partition("point ")[2].partition(" ")[2] for call in engine.calls if " point " in call]


def test_the_container_lives_on(root: Path, engine: FakeEngine) -> None:
    """New loops start beside the old ones; then the folders are handed over, and those of before are removed."""
    before = only(engine).id
    assert transaction(root, engine, RELOAD).carry_out() == ("succeeded", "")
    one = only(engine)
    assert (one.id, one.image, one.now, one.beside, one.policy) == (before, "old", "tree", "", "unless-stopped")
    assert not [call for call in engine.calls if call.startswith(("stop", "kill"))]
    assert f"exec {before} openbell idle --strategies pulse" in [
        f"{call.partition(' --within')[0]} --strategies {call.rpartition(' ')[2]}" for call in engine.calls
    ]
    assert [call.partition("point ")[2] for call in engine.calls if " point " in call] == [
        f"{before[:12]} --beside tree",
        f"{before[:12]} --now tree --beside tree",
        before[:12],
    ]
    assert any(call.endswith(f"reload prune {before[:12]}") for call in engine.calls)


def test_who_writes_to_the_volume_can_do_nothing_else(root: Path, engine: FakeEngine) -> None:
    """Its container has no network, no powers of root's, and nothing but the volume."""
    transaction(root, engine, RELOAD).carry_out()
    writes = [call for call in engine.calls if call.startswith("run ") and "openbell reload" in call]
    assert writes
    for call in writes:
        for words in ("--network none", "--read-only", "--cap-drop ALL", "--security-opt no-new-privileges"):
            assert words in call
        assert call.count("--volume") == 1
        assert f"bells_reloads:/reloads {'new' if 'reload place' in call else 'old'} openbell" in call


def test_new_loops_that_are_bad_give_way_at_once(root: Path, engine: FakeEngine) -> None:
    """They get no further slot: the folders of before are those that are wanted, before anything is waited for."""
    engine.answers["gate --beat 120 --runs"] = lambda call: FAILED
    outcome, why = transaction(root, engine, RELOAD).carry_out()
    assert (outcome, why) == ("returned", f"together: {FAILED.reason}")
    one = only(engine)
    assert (one.now, one.beside, one.state) == ("image", "", "running")
    assert points(engine) == [
        *("--beside tree", "--now tree --beside tree", ""),
        *("--now image --beside image", ""),
    ]


def test_good_loops_beside_a_bad_service_go_on_until_the_old_ones_are_ready(root: Path, engine: FakeEngine) -> None:
    """Another service of the release fails: the loops of before are started beside the new ones first."""
    engine.add("pulse")
    engine.answers[f"exec pulse-new-{len(engine.containers)} openbell gate --beat 120"] = lambda call: FAILED
    outcome, _ = transaction(root, engine, (*RELOAD, ("switch", "pulse"))).carry_out()
    assert outcome == "returned"
    assert points(engine) == [
        *("--beside tree", "--now tree --beside tree", ""),
        *("--beside image", "--now image --beside image", ""),
    ]


@pytest.mark.parametrize(
    "line, reason",
    [
        ("pulse: cannot start: strategy.py cannot be imported", "together: pulse: cannot start: strategy.py"),
        ("slow: cannot start: of no concern", "not imported within 120 s"),
    ],
)
def test_a_new_loop_that_is_not_ready(root: Path, engine: FakeEngine, line: str, reason: str) -> None:
    """Its reason is told; the old loop has never stopped."""
    engine.answers["logs --since"] = lambda call: Answer(0, f"{line}\n")
    outcome, why = transaction(root, engine, RELOAD).carry_out()
    assert outcome == "returned"
    assert reason in why
    assert (only(engine).now, only(engine).beside) == ("image", "")


def test_a_new_loop_that_dies_after_it_took_over(root: Path, engine: FakeEngine) -> None:
    """What it wrote last is told, and the old one runs again."""
    one = only(engine)
    died = '{"strategy": "pulse", "level": "error", "error": "no such table"}\nopenbell host: pulse ended with exit code 3; it is started again in 1 s\n'
    engine.answers["gate --beat 5"] = lambda call: NO_BEAT if one.now == "tree" else None
    engine.answers["logs --since"] = lambda call: Answer(0, died) if one.now == "tree" else None
    outcome, why = transaction(root, engine, RELOAD).carry_out()
    assert (outcome, why) == ("returned", "together: pulse: its loop ended: no such table")
    assert one.now == "image"


def test_an_old_loop_may_drain_for_as_long_as_its_container_may_stop(root: Path, engine: FakeEngine) -> None:
    """Until then the new one has nothing to beat for."""
    one, asked = only(engine), []

    def drains(call: str) -> Answer | None:
        asked.append(call)
        engine.time += 5
        return NO_BEAT if len(asked) < 40 else None

    engine.answers["gate --beat 5"] = drains
    assert transaction(root, engine, RELOAD).carry_out() == ("succeeded", "")
    assert one.now == "tree"


def test_a_container_that_is_gone_is_made_again(root: Path, engine: FakeEngine) -> None:
    """Another program has removed it during the way back: the release before has an image with the same folders."""
    (root / "releases" / "old" / "services").write_text("together\n")

    def fails(call: str) -> Answer:
        engine.containers.clear()
        return FAILED

    engine.answers["gate --beat 120 --runs"] = fails
    outcome, _ = transaction(root, engine, RELOAD).carry_out()
    assert outcome == "returned"
    assert (only(engine).image, only(engine).state, only(engine).now) == ("old", "running", "image")


def test_a_container_that_does_not_run_any_more(root: Path, engine: FakeEngine) -> None:
    """Nothing is touched, and what to do is told."""
    only(engine).state = "exited"
    outcome, why = transaction(root, engine, RELOAD).carry_out()
    assert (outcome, why) == ("refused", "together: 0 containers of it run by now: deploy again")


@pytest.mark.parametrize("fails", [False, True], ids=["good", "bad"])
def test_an_engine_that_is_killed_between_any_two_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """The old folders or the new ones are what runs, in the one container, which the engine starts by itself."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    calls, _, _ = killed(tmp_path / "whole", 0, fails=fails)
    for number in range(3, len(calls) - 1):
        _, engine, outcome = killed(tmp_path / str(number), number, fails=fails)
        where = f"after {calls[number - 1]}: {outcome}"
        assert outcome in ({"returned", "refused"} if fails else {"succeeded", "returned", "refused"}), where
        one = only(engine)
        assert (one.state, one.now) == ("running", "tree" if outcome == "succeeded" else "image"), where
        assert one.beside == "", where
        assert one.comes_back, where


class ProgramKilledError(BaseException):
    """Ends the transaction's program, wherever it is."""


@pytest.mark.parametrize("fails", [False, True], ids=["good", "bad"])
def test_a_program_that_is_killed_between_any_two_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """The next deploy can trust what the container says of its folders, or is told that it cannot."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    calls, _, _ = killed(tmp_path / "whole", 0, fails=fails)
    in_doubt = 0
    for number in range(3, len(calls) - 1):
        engine = engine_with_one(fails=fails)

        def end(engine: FakeEngine = engine, number: int = number) -> None:
            if len(engine.calls) >= number:
                raise ProgramKilledError

        engine.after = end
        with pytest.raises(ProgramKilledError):
            transaction(records_below(tmp_path / str(number)), engine, RELOAD).carry_out()
        one = only(engine)
        assert one.runs == one.now or one.beside, f"after {calls[number - 1]}"
        in_doubt += one.runs != one.now
    assert in_doubt


def killed(root: Path, after: int, *, fails: bool) -> tuple[list[str], FakeEngine, str]:
    """Return the calls of a transaction whose engine is killed after so many, the engine, and how it ended."""
    engine = engine_with_one(fails=fails)
    engine.after = lambda: engine.crash() if len(engine.calls) == after else None
    return engine.calls, engine, transaction(records_below(root), engine, RELOAD).carry_out()[0]


@pytest.mark.parametrize(
    "answer, fingerprint",
    [
        (Answer(0, ""), "of-old"),
        (Answer(0, "of-new\n"), "of-new"),
        (Answer(0, "in doubt\n"), "in doubt"),
        (Answer(1, "no answer"), "in doubt"),
    ],
)
def test_a_container_is_as_good_as_made_from_the_folders_that_it_follows(
    root: Path, engine: FakeEngine, answer: Answer, fingerprint: str
) -> None:
    """The container itself is asked: the server's records may be gone."""
    only(engine).labels.update({"openbell.base": "b", "openbell.fingerprint": "of-old"})
    engine.answers["exec together-old-0 sh"] = lambda call: answer
    (one,) = state(Records(root), engine.client(), "bells")["containers"]
    assert one["labels"]["openbell.fingerprint"] == fingerprint


def test_what_cannot_follow_folders_is_not_asked(root: Path, engine: FakeEngine) -> None:
    """A container of a version before, and one that does not run, are what their labels say."""
    only(engine).labels.update({"openbell.fingerprint": "of-old"})
    (one,) = state(Records(root), engine.client(), "bells")["containers"]
    assert one["labels"]["openbell.fingerprint"] == "of-old"
    assert not [call for call in engine.calls if call.startswith("exec")]


def test_images_are_held_before_a_reload(root: Path, engine: FakeEngine) -> None:
    """The container's own image is what a restart needs."""
    transaction(root, engine, RELOAD).carry_out()
    first, second = order(engine, "run --detach", "run --rm --pull never")
    assert first < second


def test_what_a_reload_that_was_cut_off_has_left_gives_way_first(root: Path, engine: FakeEngine) -> None:
    """Its loops wait already, and would not say again that they are ready."""
    only(engine).beside = "left"
    assert transaction(root, engine, RELOAD).carry_out() == ("succeeded", "")
    assert points(engine) == ["", "--beside tree", "--now tree --beside tree", ""]


def test_folders_that_cannot_be_brought(root: Path, engine: FakeEngine) -> None:
    """The disk is full: nothing is touched."""
    engine.answers["run --rm --pull never"] = lambda call: Answer(1, "OSError: [Errno 28] No space left on device")
    outcome, why = transaction(root, engine, RELOAD).carry_out()
    assert outcome == "refused"
    assert why == "together: its strategies' folders could not be changed: OSError: [Errno 28] No space left on device"
    assert only(engine).beside == ""


def test_folders_that_cannot_be_removed_stay(root: Path, engine: FakeEngine) -> None:
    """They are no reason to undo the release."""
    engine.answers["run --rm --pull never"] = lambda call: Answer(1, "no") if "reload prune" in call else None
    assert transaction(root, engine, RELOAD).carry_out() == ("succeeded", "")
