"""A transaction's decisions, on an engine in memory: what is started and stopped in which order, and the way back."""

import json
from pathlib import Path

import pytest

from deploy.remote.docker_client import Answer
from deploy.remote.records import Records
from tests.unit.deploy.remote.engine import FakeEngine
from tests.unit.deploy.remote.transactions import FAILED, SWITCH, fails_its_first_run, order, transaction

PREPARED = '{"services": {"volumes": {"labels": {"openbell.once": "true"}}}}'


def test_a_release_takes_over_service_by_service(root: Path, engine: FakeEngine) -> None:
    """The old containers are gone, the release is the current one, and what it held is let go."""
    assert transaction(root, engine).carry_out() == ("succeeded", "")
    assert [(one.service, one.image, one.state) for one in engine.containers.values()] == [
        ("pulse", "new", "running"),
        ("supervisor", "new", "running"),
    ]
    assert Records(root).current() == "new"
    assert "rm --force holder" in engine.calls


def test_a_new_database_answers_before_anything_asks_it(root: Path, engine: FakeEngine) -> None:
    """A preflight copies what the strategy has there. The database is started once."""
    answers = iter((Answer(2, "no response"), Answer(0, "")))
    engine.answers["pg_isready"] = lambda call: next(answers)
    assert transaction(root, engine, (("replace", "database"), *SWITCH)).carry_out() == ("succeeded", "")
    made = [call for call in engine.calls if "--no-start" in call and call.endswith(" database")]
    assert len(made) == 1
    asked = [index for index, call in enumerate(engine.calls) if "pg_isready" in call]
    assert asked[-1] < next(index for index, call in enumerate(engine.calls) if call.endswith("preflight --rehearse"))


def test_a_new_database_goes_with_a_release_that_does_not_work(root: Path, engine: FakeEngine) -> None:
    """What ran before runs on; the database's volume stays, as all volumes do."""
    engine.answers["preflight --rehearse"] = lambda call: Answer(1, "pulse: no good")
    outcome, why = transaction(root, engine, (("replace", "database"), *SWITCH)).carry_out()
    assert (outcome, why) == ("returned", "preflight of pulse: no good")
    assert engine.running("pulse") == ["old"]
    assert engine.running("database") == []


def test_a_database_that_runs_is_replaced_in_its_turn(root: Path, engine: FakeEngine) -> None:
    """It answers the preflights as it is."""
    engine.add("database")
    assert transaction(root, engine, (("replace", "database"), *SWITCH)).carry_out() == ("succeeded", "")
    made, tried = (
        next(index for index, call in enumerate(engine.calls) if call.endswith(end) and word in call)
        for end, word in ((" database", "--no-start"), ("preflight --rehearse", "run"))
    )
    assert tried < made
    assert engine.running("database") == ["new"]


def test_the_new_strategy_is_ready_before_the_old_one_stops(root: Path, engine: FakeEngine) -> None:
    """It has imported and waits: the gap is the hand-over of the lock."""
    ready: list[bool] = []

    def waits(call: str) -> Answer | None:
        ready.append(len(ready) >= 3)
        said = "pulse: process 7 on a1 runs this strategy; waiting until it ends\n" if ready[-1] else ""
        return Answer(0, said)

    engine.answers["logs --tail 500"] = waits
    engine.answers["gate --beat 0"] = lambda call: Answer(3, "no sign of life")
    transaction(root, engine).carry_out()
    stop, start = order(engine, "stop pulse-old", "start pulse-new")
    assert start < stop
    assert len([call for call in engine.calls[start:stop] if call.startswith("logs --tail 500 pulse-new")]) == 4


@pytest.mark.parametrize("previous", ["old", None])
def test_what_ran_runs_again_after_a_failed_gate(root: Path, engine: FakeEngine, previous: str | None) -> None:
    """The very containers, also where no record of them is left."""
    before = set(engine.containers)
    fails_its_first_run(engine)
    assert transaction(root, engine, previous=previous).carry_out() == ("returned", FAILED.text)
    assert set(engine.containers) == before
    assert engine.running("pulse") == engine.running("supervisor") == ["old"]
    assert Records(root).current() == "old"


def test_a_release_that_is_judged_bad_gets_no_further_slot(root: Path, engine: FakeEngine) -> None:
    """It is told to stop at once: no quiet moment is waited for, nor the start of the old one."""
    fails_its_first_run(engine)
    transaction(root, engine).carry_out()
    judged = next(index for index, call in enumerate(engine.calls) if "--runs" in call)
    after = [call for call in engine.calls[judged + 1 :] if "pulse" in call]
    told = next(index for index, call in enumerate(after) if call.startswith("kill --signal TERM pulse-new"))
    assert not [call for call in after if "openbell idle" in call]
    assert not [call for call in after[:told] if call.startswith("start")]


def test_a_good_strategy_beside_a_bad_one_is_not_interrupted(root: Path, engine: FakeEngine) -> None:
    """Its new container goes on until the old one, started again, has imported: what that printed earlier does not count."""
    engine.add("beat")
    engine.answers["exec beat-new"] = lambda call: FAILED if "--runs" in call else None
    waits = "pulse: process 7 on a1 runs this strategy; waiting until it ends\n"
    asked: list[str] = []

    def imports(call: str) -> Answer | None:
        if "gate --beat 0" in call:
            return Answer(3, "no sign of life")
        if not call.startswith("logs"):
            return None
        asked.append(call)
        return Answer(0, waits if "--since" not in call or len(asked) > 3 else "")

    engine.answers["pulse-old"] = imports
    steps = (("switch", "beat"), ("switch", "pulse"), ("replace", "supervisor"))
    assert transaction(root, engine, steps).carry_out() == ("returned", f"beat: {FAILED.text}")
    back = engine.calls[max(index for index, call in enumerate(engine.calls) if "--runs" in call) :]
    told, started = (
        next(index for index, call in enumerate(back) if call.startswith(one))
        for one in ("kill --signal TERM beat-new", "start ")
    )
    assert told < started, "the bad one gets no further slot"
    again = next(index for index, call in enumerate(back) if call.startswith("start pulse-old"))
    stopped = next(
        index for index, call in enumerate(back) if call.startswith(("stop pulse-new", "kill --signal TERM pulse"))
    )
    assert len([call for call in back[again:stopped] if call.startswith("logs --tail 500 --since 2026")]) == 4
    assert (engine.running("beat"), engine.running("pulse")) == (["old"], ["old"])


def pruned(engine: FakeEngine) -> Answer:
    """Remove what does not run, as `docker system prune` does, then let the gate fail."""
    for one in list(engine.containers.values()):
        if one.state != "running":
            del engine.containers[one.id]
    return FAILED


def test_a_prune_while_the_gate_waits_does_not_take_the_way_back(root: Path, engine: FakeEngine) -> None:
    """The old image was held by a container of its own: it gets its name again, and a container is made of it."""
    engine.answers["gate --beat 120 --runs"] = lambda call: pruned(engine)
    engine.answers["image inspect --format {{.Id}}"] = lambda call: Answer(0, "old bells/pulse:old ")
    outcome, reason = transaction(root, engine).carry_out()
    assert (outcome, reason) == ("returned", FAILED.text)
    assert engine.running("pulse") == ["old"]
    assert "tag old bells/pulse:old" in engine.calls
    assert engine.calls.index("rm --force holder") > engine.calls.index("tag old bells/pulse:old")


def test_what_holds_the_images_is_removed_by_an_engine_that_is_busy_at_first(root: Path, engine: FakeEngine) -> None:
    """One that was killed may still try to remove it by itself."""
    busy = [Answer(1, "Error response from daemon: device or resource busy")] * 2
    engine.answers["rm --force holder"] = lambda call: busy.pop() if busy else Answer(0, "holder")
    assert transaction(root, engine).carry_out() == ("succeeded", "")
    assert engine.calls.count("rm --force holder") == 3


def test_nothing_healthy_is_removed_without_a_successor(root: Path, engine: FakeEngine) -> None:
    """Neither a container nor a record of what ran is left: the new one goes on, and that is told."""
    engine.answers["gate --beat 120 --runs"] = lambda call: pruned(engine)
    outcome, reason = transaction(root, engine, previous=None).carry_out()
    assert outcome == "failed"
    assert "the new one continues" in reason
    assert engine.running("pulse") == ["new"]


def test_a_preflight_that_fails_touches_nothing(root: Path, engine: FakeEngine) -> None:
    """Its last word is the reason."""
    engine.answers["openbell preflight"] = lambda call: Answer(1, "Container x Creating\nImportError: no such thing\n")
    assert transaction(root, engine).carry_out() == ("refused", "preflight of pulse: ImportError: no such thing")
    assert not [call for call in engine.calls if call.startswith(("stop", "start", "kill", "update"))]


def test_what_ends_by_itself_has_ended_before_anything_is_touched(root: Path, engine: FakeEngine) -> None:
    """Should it fail, nothing was touched."""
    compose = {
        "services": {"volumes": {"labels": {"openbell.once": "true"}}, "pulse": {"labels": {}}, "supervisor": {}}
    }
    (root / "releases" / "new" / "compose.yaml").write_text(json.dumps(compose))
    engine.answers["openbell.preflight=1 volumes"] = lambda call: Answer(1, "PermissionError: /state")
    outcome = transaction(root, engine).carry_out()
    assert outcome == ("refused", "volumes could not be prepared: PermissionError: /state")
    del engine.answers["openbell.preflight=1 volumes"]
    assert transaction(root, engine).carry_out() == ("succeeded", "")


def test_an_import_that_takes_long_is_waited_for(root: Path, engine: FakeEngine) -> None:
    """A hundred seconds are not too many; the old loop goes on meanwhile."""
    engine.answers["gate --beat 0"] = lambda call: Answer(3, "no sign of life") if engine.time < 100 else Answer(0, "")
    assert transaction(root, engine).carry_out() == ("succeeded", "")
    assert engine.time >= 100


def test_a_new_container_that_dies_is_given_back(root: Path, engine: FakeEngine) -> None:
    """With its own last error; the old one was never stopped."""
    engine.answers["gate --beat 0"] = lambda call: Answer(1, "container is not running")

    def died(call: str) -> Answer | None:
        if "pulse-new" not in call:
            return None
        log = '{"event": "error", "level": "error", "stage": "start", "error": "no way", "traceback": ""}\n'
        engine.containers[call.rsplit(maxsplit=1)[-1]].log = log
        return Answer(0, "restarting 1")

    engine.answers["inspect --type container --format"] = died
    outcome, reason = transaction(root, engine).carry_out()
    assert (outcome, reason) == ("returned", "pulse: its container ended: no way")
    assert not [call for call in engine.calls if call.startswith("stop pulse-old")]


def test_a_take_over_that_cannot_be_written_is_no_success(root: Path, engine: FakeEngine) -> None:
    """What ran before runs again: the records say so, and they are right."""
    (root / "current").unlink()
    (root / "current").mkdir()
    (root / "current" / "something").touch()
    outcome, reason = transaction(root, engine).carry_out()
    assert outcome == "returned"
    assert reason.startswith("the release could not be written down as the one that runs: Is a directory")
    assert engine.running("pulse") == ["old"]
