"""A transaction's decisions, on an engine in memory: what is started and stopped in which order, and every way back."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from deploy.remote.docker_client import Answer
from deploy.remote.plan import TransactionPlan
from deploy.remote.records import Records, TransactionRecord
from deploy.remote.transaction import Transaction
from deploy.remote.worker import attempt
from tests.unit.deploy.remote.engine import FakeContainer, FakeEngine

SWITCH = (("switch", "pulse"), ("replace", "supervisor"))
NO_RENAMES: Mapping[str, str] = {}
RENAME = (("start", "beat"), ("stop", "pulse"), ("rename", "pulse"), ("check", "beat"), ("replace", "supervisor"))
TOGETHER = (
    ("start", "together"),
    ("stop", "pulse"),
    ("stop", "slow"),
    ("check", "together"),
    ("replace", "supervisor"),
)
PREPARED = '{"services": {"volumes": {"labels": {"openbell.once": "true"}}}}'
FAILED = Answer(3, "pulse: its first run failed: ValueError: no good")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project's records with two releases, of which the first runs."""
    return records_below(tmp_path)


def records_below(root: Path) -> Path:
    """Write the records of two releases, of which the first runs."""
    for name in ("old", "new"):
        folder = root / "releases" / name
        folder.mkdir(parents=True)
        (folder / "services").write_text("pulse\nsupervisor\n")
        (folder / "images").write_text(f"{name}\n")
        (folder / "compose.yaml").write_text("{}")
    (root / "transactions" / "new").mkdir(parents=True)
    (root / "shipped").write_text("old\nnew\n")
    Records(root).take_over("old")
    return root


@pytest.fixture
def engine() -> FakeEngine:
    """An engine that runs the first release and has the images of both."""
    return engine_with_both()


def engine_with_both() -> FakeEngine:
    """Return an engine that runs the first release and has the images of both."""
    engine = FakeEngine()
    engine.add("pulse")
    engine.add("supervisor")
    engine.images.add("new")
    engine.answers["openbell idle"] = lambda call: Answer(0, "")
    return engine


def transaction(
    root: Path,
    engine: FakeEngine,
    steps: Sequence[tuple[str, str]] = SWITCH,
    *,
    remove: Sequence[str] = (),
    previous: str | None = "old",
    renames: Mapping[str, str] = NO_RENAMES,
) -> Transaction:
    """Return a transaction that puts the second release in place."""
    plan = TransactionPlan(
        project="bells",
        release="new",
        previous=previous,
        by="alice@laptop",
        wait_for_idle=False,
        steps=tuple(steps),
        remove=tuple(remove),
        hosted={"pulse": ("pulse",), "beat": ("beat",), "together": ("pulse", "slow")},
        strategies=("pulse",),
        audit={"action": "deploy"},
        renames=renames,
    )
    return Transaction(plan, Records(root), TransactionRecord(root / "transactions" / "new"), engine.client())


def fails_its_first_run(engine: FakeEngine) -> None:
    """Let the new strategy's first run fail."""
    engine.answers["gate --beat 120 --runs"] = lambda call: FAILED


def order(engine: FakeEngine, *calls: str) -> list[int]:
    """Return where in the engine's calls the first is that begins with each of these."""
    return [next(index for index, call in enumerate(engine.calls) if call.startswith(one)) for one in calls]


def test_a_release_takes_over_service_by_service(root: Path, engine: FakeEngine) -> None:
    """The old containers are gone, the release is the current one, and what it held is let go."""
    assert transaction(root, engine).carry_out() == ("succeeded", "")
    assert [(one.service, one.image, one.state) for one in engine.containers.values()] == [
        ("pulse", "new", "running"),
        ("supervisor", "new", "running"),
    ]
    assert Records(root).current() == "new"
    assert "rm --force holder" in engine.calls


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


def test_a_reboot_at_any_point_brings_something_up(root: Path, engine: FakeEngine) -> None:
    """After each single command there is a container of each service that the engine starts by itself."""
    without: list[str] = []

    def look() -> None:
        for service in ("pulse", "supervisor"):
            of = [one for one in engine.containers.values() if one.service == service]
            if not any(one.comes_back for one in of):
                without.append(f"{service} after {engine.calls[-1]}")

    engine.after = look
    assert transaction(root, engine).carry_out() == ("succeeded", "")
    assert without == []


def test_a_reboot_on_the_way_back_brings_something_up(root: Path, engine: FakeEngine) -> None:
    """The same of a release that fails its gate."""
    without: list[str] = []

    def look() -> None:
        for service in ("pulse", "supervisor"):
            of = [one for one in engine.containers.values() if one.service == service]
            if not any(one.comes_back for one in of):
                without.append(f"{service} after {engine.calls[-1]}")

    engine.after = look
    fails_its_first_run(engine)
    outcome, _ = transaction(root, engine).carry_out()
    assert (outcome, without) == ("returned", [])
    assert {one.policy for one in engine.containers.values()} == {"unless-stopped"}


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


def pruned(engine: FakeEngine) -> Answer:
    """Remove what does not run, as `docker system prune` does, then let the gate fail."""
    for one in list(engine.containers.values()):
        if one.state != "running":
            del engine.containers[one.id]
    return FAILED


def test_a_prune_while_the_gate_waits_does_not_take_the_way_back(root: Path, engine: FakeEngine) -> None:
    """The old image was held by a container of its own: it gets its name again, and a container is made of it."""
    engine.answers["gate --beat 120 --runs"] = lambda call: pruned(engine)
    engine.answers["image inspect --format {{range .RepoTags}}"] = lambda call: Answer(0, "bells/pulse:old ")
    outcome, reason = transaction(root, engine).carry_out()
    assert (outcome, reason) == ("returned", FAILED.text)
    assert engine.running("pulse") == ["old"]
    assert "tag old bells/pulse:old" in engine.calls
    assert engine.calls.index("rm --force holder") > engine.calls.index("tag old bells/pulse:old")


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


def test_strategies_move_between_services(root: Path, engine: FakeEngine) -> None:
    """Both old ones go on until the new one waits for them, and are removed when it has shown that it works."""
    engine.add("slow")
    steps = (("start", "together"), ("stop", "pulse"), ("stop", "slow"), ("check", "together"))
    assert transaction(root, engine, steps, remove=("pulse", "slow")).carry_out() == ("succeeded", "")
    assert [one.service for one in engine.containers.values()] == ["supervisor", "together"]
    start, stop, other = order(engine, "start together-new", "stop pulse-old", "stop slow-old")
    assert start < stop < other


def test_strategies_that_could_not_move_are_back(root: Path, engine: FakeEngine) -> None:
    """The new container is gone, and the old ones run."""
    engine.add("slow")
    fails_its_first_run(engine)
    steps = (("start", "together"), ("stop", "pulse"), ("stop", "slow"), ("check", "together"))
    outcome, _ = transaction(root, engine, steps, remove=("pulse", "slow")).carry_out()
    assert outcome == "returned"
    assert (engine.running("pulse"), engine.running("slow"), engine.running("together")) == (["old"], ["old"], [])


@pytest.fixture
def renaming(root: Path, engine: FakeEngine) -> Transaction:
    """A transaction in which the strategy `pulse` gets the name `beat`."""
    for name in ("old", "new"):
        (root / "releases" / name / "compose.yaml").write_text(PREPARED)
    return transaction(root, engine, RENAME, remove=["pulse"], renames={"pulse": "beat"})


def renames_of(engine: FakeEngine) -> list[str]:
    """Return what was renamed, in order."""
    return [call.partition("openbell rename ")[2] for call in engine.calls if "openbell rename " in call]


def test_data_gets_its_new_name_while_no_container_runs_the_strategy(renaming: Transaction, engine: FakeEngine) -> None:
    """The new container was started before, and waits; at each moment a reboot starts one that can run."""
    without: list[str] = []

    def look() -> None:
        if not any(one.comes_back for one in engine.containers.values() if one.service != "supervisor"):
            without.append(engine.calls[-1])

    engine.after = look
    assert renaming.carry_out() == ("succeeded", "")
    assert renames_of(engine) == ["pulse beat --announce", "pulse beat"]
    moved = next(index for index, call in enumerate(engine.calls) if call.endswith("openbell rename pulse beat"))
    assert order(engine, "start beat-new")[0] < order(engine, "stop pulse-old")[0] < moved
    assert (engine.running("pulse"), engine.running("beat"), without) == ([], ["new"], [])


def test_a_rename_that_is_given_back_has_its_data_back_first(renaming: Transaction, engine: FakeEngine) -> None:
    """The old container starts once its data has its name, and a reboot on the way starts one of the two."""
    without: list[str] = []

    def look() -> None:
        if not any(one.comes_back for one in engine.containers.values() if one.service != "supervisor"):
            without.append(engine.calls[-1])

    engine.after = look
    fails_its_first_run(engine)
    assert renaming.carry_out() == ("returned", f"beat: {FAILED.text}")
    assert renames_of(engine) == ["pulse beat --announce", "pulse beat", "beat pulse"]
    back = next(index for index, call in enumerate(engine.calls) if call.endswith("openbell rename beat pulse"))
    assert order(engine, "stop beat-new")[0] < back < order(engine, "start pulse-old")[0]
    assert (engine.running("pulse"), engine.running("beat"), without) == (["old"], [], [])


def test_a_rename_that_is_refused_takes_its_announcement_back(
    root: Path, renaming: Transaction, engine: FakeEngine
) -> None:
    """And an announcement that is refused is not taken back: the new name's data is its own."""
    engine.answers["openbell preflight"] = lambda call: Answer(1, "no such module")
    assert renaming.carry_out()[0] == "refused"
    assert renames_of(engine) == ["pulse beat --announce", "beat pulse"]
    engine.calls.clear()
    engine.answers["openbell rename"] = lambda call: Answer(3, "beat has a ledger of its own already")
    again = transaction(root, engine, RENAME, remove=["pulse"], renames={"pulse": "beat"})
    assert again.carry_out() == (
        "refused",
        "pulse could not be renamed to beat: beat has a ledger of its own already",
    )
    assert renames_of(engine) == ["pulse beat --announce"]
    assert engine.running("pulse") == ["old"]


def test_what_a_transaction_that_was_cut_off_has_left_is_removed(root: Path, engine: FakeEngine) -> None:
    """Beside a container that runs; one that is all there is stays until its successor runs."""
    left = engine.add("pulse", "left", state="created")
    transaction(root, engine).carry_out()
    assert left.id not in engine.containers


def test_an_engine_that_went_away_is_waited_for(root: Path, engine: FakeEngine) -> None:
    """What it left stopped is started again, and the transaction goes on."""
    supervisor = next(one for one in engine.containers.values() if one.service == "supervisor")
    away: list[int] = []

    def crash(call: str) -> Answer | None:
        if not away:
            supervisor.state = "exited"
        away.append(1)
        return (
            Answer(1, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock") if len(away) == 1 else None
        )

    engine.answers["openbell preflight --rehearse"] = crash
    assert transaction(root, engine).carry_out() == ("succeeded", "")
    assert f"start {supervisor.id}" in engine.calls


def killed(root: Path, steps: Sequence[tuple[str, str]], after: int, *, fails: bool) -> tuple[FakeEngine, str]:
    """Return an engine that is killed after so many commands of a transaction, and the transaction's outcome."""
    engine = engine_with_both()
    if steps == TOGETHER:
        engine.add("slow")
    if fails:
        fails_its_first_run(engine)
    engine.after = lambda: engine.crash() if len(engine.calls) == after else None
    gone = ("pulse", "slow") if steps == TOGETHER else ()
    return engine, transaction(records_below(root), engine, steps, remove=gone).carry_out()[0]


@pytest.mark.parametrize("fails", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("steps", [SWITCH, TOGETHER], ids=["switch", "together"])
def test_an_engine_that_is_killed_between_any_two_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: Sequence[tuple[str, str]], *, fails: bool
) -> None:
    """The old release or the new one runs, whole, and is what the engine starts by itself, though it took all for stopped."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    whole, _ = killed(tmp_path / "whole", steps, 0, fails=fails)
    new = ["pulse", "supervisor"] if steps == SWITCH else ["supervisor", "together"]
    old = ["pulse", "supervisor"] if steps == SWITCH else ["pulse", "slow", "supervisor"]
    # With the first two it is found out what runs; the last two see that it does.
    for number in range(3, len(whole.calls) - 1):
        engine, outcome = killed(tmp_path / str(number), steps, number, fails=fails)
        where = f"after {whole.calls[number - 1]}: {outcome}"
        assert outcome in ({"returned", "refused"} if fails else {"succeeded", "returned", "refused"}), where
        runs = [one for one in engine.containers.values() if one.state == "running"]
        image, services = ("new", new) if outcome == "succeeded" else ("old", old)
        assert sorted((one.service, one.image) for one in runs) == [(name, image) for name in services], where
        assert all(one.comes_back for one in runs), where


@pytest.mark.parametrize("error", [RuntimeError("a mistake of ours"), KeyboardInterrupt(), SystemExit(1)])
def test_every_end_is_written_down(root: Path, error: BaseException) -> None:
    """Whatever is raised: a state that has ended, and a line of the audit."""
    folder = root / "transactions" / "new"
    (folder / "plan.json").write_text(
        '{"project": "bells", "release": "new", "previous": null, "by": "a", "wait_for_idle": false, "steps": [], '
        '"remove": [], "hosted": {}, "strategies": [], "audit": {"action": "deploy"}}'
    )
    record = TransactionRecord(folder)

    def raises(*_: object) -> tuple[str, str]:
        raise error

    assert attempt(folder, record, raises) == 0
    assert record.state.startswith(f"ended failed {type(error).__name__}")
    assert '"outcome": "failed"' in (root / "audit.jsonl").read_text()


def test_a_container_knows_whether_it_comes_back() -> None:
    """The engine's rules, as the tests above rely on them."""
    assert not FakeContainer("a", "pulse", "x").comes_back
    assert FakeContainer("a", "pulse", "x", "running").comes_back
    assert not FakeContainer("a", "pulse", "x", "exited", stopped_by_hand=True).comes_back
    assert FakeContainer("a", "pulse", "x", "exited", "always", stopped_by_hand=True).comes_back
