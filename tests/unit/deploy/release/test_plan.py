"""What a deployment will do, and which release a rollback goes back to."""

from dataclasses import replace

import pytest

from deploy.errors import CommandError
from deploy.release.host_state import HostState, Running
from deploy.release.plan import plan, renamed, rollback_release, taken
from deploy.release.release import Release
from tests.unit.deploy.release.releases import host, record, release

OLD = release("20261101-000000-aaaa", pulse=record("p1", "pulse"), slow=record("s1", "slow"), supervisor=record("v1"))
APART = release("20261102-000000-bbbb", a=record("a1", "a"), b=record("b1", "b"), supervisor=record("v1"))
TOGETHER = release("20261103-000000-cccc", t=record("t1", "a", "b"), supervisor=record("v1", secrets="profile"))


def test_only_what_differs_is_touched() -> None:
    """A new image, a new configuration and new secrets are reasons; the supervisor is last; the rest stays."""
    new = release("b", pulse=record("p2"), slow=record("s1", secrets="x"), supervisor=record("v1", configuration="c2"))
    found = plan(new, host(OLD))
    assert list(found.recreate.items()) == [
        ("pulse", "changed: image"),
        ("slow", "changed: secrets"),
        ("supervisor", "changed: configuration"),
    ]
    assert (found.keep, found.remove) == ((), ())


def test_the_same_release_again_changes_nothing() -> None:
    """Another commit with the same images, configuration and secrets touches no container."""
    found = plan(release("b", **OLD.services), host(OLD))
    assert not found.changes
    assert found.keep == ("pulse", "slow", "supervisor")
    assert found.lines() == ["untouched pulse, slow, supervisor"]


@pytest.mark.parametrize("state", ["exited", "restarting", "created"])
def test_what_does_not_run_is_started(state: str) -> None:
    """A container that is what it should be, and does not run."""
    assert plan(release("b", **OLD.services), host(OLD, pulse=state)).recreate == {"pulse": f"it is {state}"}


def test_what_is_new_is_started_and_what_is_gone_removed() -> None:
    """A strategy that came, and one that went."""
    found = plan(release("b", other=record("o1"), slow=record("s1"), supervisor=record("v1")), host(OLD))
    assert (dict(found.recreate), found.keep, found.remove) == ({"other": "new"}, ("slow", "supervisor"), ("pulse",))
    assert found.lines()[1] == "remove    pulse (it is not in this release)"


def test_what_runs_counts_and_not_what_the_record_says() -> None:
    """A container that another deployment left half-way is made anew, though its record says that it is right."""
    there = host(OLD)
    containers = {**there.containers, "pulse": Running("id", "running", "p9-c1-")}
    found = plan(release("b", **OLD.services), HostState(containers, there.releases, there.current))
    assert found.recreate == {"pulse": "it is not what the last deployment started"}


def test_a_second_container_that_runs_is_a_reason() -> None:
    """Of two loops of one strategy one waits for ever: a deploy that was cut off has left both."""
    there = host(OLD)
    containers = {**there.containers, "pulse": replace(there.containers["pulse"], others=("running",))}
    found = plan(release("b", **OLD.services), replace(there, containers=containers))
    assert found.recreate == {"pulse": "a deploy that was cut off has left two containers of it"}


def test_what_a_deploy_that_was_cut_off_has_left_is_completed() -> None:
    """A stopped container goes, and what runs is written down, though no container is touched."""
    there, again = host(OLD), release("b", **OLD.services)
    stopped = {**there.containers, "pulse": replace(there.containers["pulse"], others=("exited",))}
    for state in (replace(there, containers=stopped), replace(there, current=APART), replace(there, current=None)):
        found = plan(again, state)
        assert (found.changes, dict(found.recreate), found.remove) == (True, {}, ())
        assert found.lines()[-1] == "complete  what a deploy that was cut off has left"


def test_what_nobody_deployed_is_not_taken_over() -> None:
    """It could not be brought back. Beside a record it is: the record says what to return to."""
    theirs = {"pulse": Running("id", "running", "")}
    with pytest.raises(CommandError, match="pulse: no deployment has started what runs there"):
        plan(OLD, HostState(theirs))
    found = plan(release("b", **OLD.services), HostState({**host(OLD).containers, **theirs}, (OLD,), OLD))
    assert found.recreate == {"pulse": "it is not what the last deployment started"}


def test_a_first_deployment_starts_everything() -> None:
    """Where nothing is."""
    assert list(plan(OLD, HostState()).recreate.values()) == ["new", "new", "new"]


def test_a_rollback_goes_to_the_release_before() -> None:
    """Of three, the one in the middle runs: the first is before it; TO= takes any."""
    first, last = release("20261001-000000-0000"), release("20261201-000000-ffff")
    there = HostState({}, (first, OLD, last), OLD)
    assert rollback_release(there, None) == first
    assert rollback_release(there, last.id) == last


@pytest.mark.parametrize(
    "there,to,said",
    [
        (HostState(), None, "nothing was deployed there"),
        (host(OLD), None, f"there is no release before {OLD.id}"),
        (host(OLD), "x", f'TO: found "x"; allowed: one of {OLD.id}'),
    ],
)
def test_a_rollback_to_nowhere_says_why(there: HostState, to: str | None, said: str) -> None:
    """One line."""
    with pytest.raises(CommandError, match=said):
        rollback_release(there, to)


def test_the_database_is_there_before_what_asks_it() -> None:
    """Whatever the strategies are called."""
    new = release("b", database=record("d1"), alpha=record("a1", "alpha"), supervisor=record("v2"))
    assert plan(new, host(OLD)).steps == (("replace", "database"), ("switch", "alpha"), ("replace", "supervisor"))


def test_strategies_move_into_one_container() -> None:
    """It starts beside theirs and waits, then they stop; the supervisor is last. They go when it has shown that it works."""
    found = plan(TOGETHER, host(APART))
    assert found.steps == (
        ("start", "t"),
        ("stop", "a"),
        ("stop", "b"),
        ("check", "t"),
        ("replace", "supervisor"),
    )
    assert (found.remove, found.strategies) == (("a", "b"), ("a", "b"))
    assert found.lines() == [
        "start     t (new; for a, b)",
        "start     supervisor (changed: secrets)",
        "remove    a (handed over to t)",
        "remove    b (handed over to t)",
    ]


def test_strategies_move_into_containers_of_their_own() -> None:
    """All of these wait before the one that has them is stopped."""
    found = plan(APART, host(TOGETHER, APART))
    assert found.steps == (
        ("start", "a"),
        ("start", "b"),
        ("stop", "t"),
        ("check", "a"),
        ("check", "b"),
        ("replace", "supervisor"),
    )
    assert (found.gives_way, found.strategies) == ({"t": "a, b"}, ("a", "b"))


def test_one_strategy_moves_out_of_a_container_that_stays() -> None:
    """Which has let it go by then."""
    new = release("x", a=record("a1", "a"), t=record("t2", "b"), supervisor=record("v1", secrets="profile"))
    found = plan(new, host(TOGETHER))
    assert found.steps == (("switch", "t"), ("start", "a"), ("check", "a"))
    assert (found.remove, found.strategies) == ((), ("a", "b"))


def test_a_container_of_several_strategies_is_switched_like_any_other() -> None:
    """All of them are stopped and started."""
    found = plan(release("x", t=record("t2", "a", "b"), supervisor=TOGETHER.services["supervisor"]), host(TOGETHER))
    assert (found.steps, found.strategies) == ((("switch", "t"),), ("a", "b"))


PULSE, SLOW = {"pulse": {"pulse": "m1"}}, {"slow": {"slow": "m1"}}


def test_one_strategy_alone() -> None:
    """Nothing else is made from this checkout, also where it has changed here."""
    assert taken("pulse", {**PULSE, "slow": {"slow": "m2"}}, OLD) == {"pulse"}


@pytest.mark.parametrize("name", ["pulse", "other"])
def test_one_strategy_with_a_new_manifest_takes_the_supervisor_with_it(name: str) -> None:
    """Which must know when it is due, be it changed or new."""
    assert taken(name, {**PULSE, **SLOW, name: {name: "m2"}}, OLD) == {name, "supervisor"}


@pytest.mark.parametrize(
    "hosted,services",
    [({"a": "m1", "b": "m1"}, {"t"}), ({"a": "m1", "b": "m2"}, {"t", "supervisor"})],
)
def test_one_strategy_of_several_in_a_container_takes_all_of_it(hosted: dict[str, str], services: set[str]) -> None:
    """They are one image."""
    assert taken("a", {"t": hosted}, TOGETHER) == services


@pytest.mark.parametrize(
    "strategy,here,current,said",
    [
        ("nope", {}, OLD, 'STRATEGY: found "nope"; allowed: one of pulse, slow'),
        ("supervisor", {}, OLD, 'STRATEGY: found "supervisor"; allowed: one of pulse, slow'),
        ("pulse", {}, None, "deploy everything first"),
        ("pulse", {"pulse": {"pulse": "m2"}, "slow": {"slow": "m2"}}, OLD, "would learn of slow too"),
        ("a", {"t": {"a": "m1", "b": "m1"}}, APART, "t would take over from a, b, which runs there"),
        ("b", {"b": {"b": "m1"}}, TOGETHER, "b would take over from t, which runs there"),
    ],
)
def test_one_strategy_that_cannot_be_alone(
    strategy: str, here: dict[str, dict[str, str]], current: Release | None, said: str
) -> None:
    """It is not there, nothing was deployed, another container has it, or the supervisor would learn of more than the one."""
    with pytest.raises(CommandError, match=said):
        taken(strategy, here or {**PULSE, **SLOW}, current)


def with_bots(name: str, **bots: str) -> Release:
    """Return a release with a service for each strategy, which has these bots."""
    services = {
        strategy: replace(record(f"{strategy}1", strategy), bots={strategy: tuple(ids.split())})
        for strategy, ids in bots.items()
    }
    return release(name, **services)


def test_a_bot_keeps_its_strategy() -> None:
    """A folder that was renamed would begin with an empty ledger, beside a slot that has run."""
    before = with_bots("20261101-000000-aaaa", fives="five", slow="s1 s2")
    with pytest.raises(CommandError, match="bot five is one of strategy fives there, and of renamed here: its ledger"):
        plan(with_bots("b", renamed="five", slow="s1 s2"), host(before))
    with pytest.raises(CommandError, match="bot s2 is one of strategy slow there, and of fives here"):
        plan(with_bots("b", fives="five s2", slow="s1"), host(before))


def test_a_rename_is_refused_with_the_command_for_it() -> None:
    """The whole strategy has another name: one command lets the new name take over."""
    before = with_bots("20261101-000000-aaaa", fives="five", slow="s1 s2")
    with pytest.raises(
        CommandError, match=r"`make rename STRATEGY=fives TO=quints HOST=...` lets quints take them over"
    ):
        plan(with_bots("b", quints="five more", slow="s1 s2"), host(before))


RENAMES = [
    ({"fives": "five", "slow": "s1 s2"}, {"quints": "five", "slow": "s1 s2"}, {"fives": "quints"}),
    ({"fives": "five"}, {"quints": "five new"}, {"fives": "quints"}),
    ({"a": "a1", "b": "b1"}, {"c": "a1", "d": "b1"}, {"a": "c", "b": "d"}),
    ({"a": "a1", "b": "b1"}, {"b": "a1 b1"}, {}),  # joined: two ledgers cannot become one
    ({"a": "a1", "b": "b1"}, {"c": "a1 b1"}, {}),
    ({"a": "a1 a2"}, {"b": "a1", "c": "a2"}, {}),  # split
    ({"a": "a1"}, {"a": "a1", "b": "new"}, {}),
    ({"a": "a1", "b": "b1"}, {"a": "b1", "b": "a1"}, {}),  # two that change their names with each other
]


@pytest.mark.parametrize("before, after, expected", RENAMES)
def test_what_is_a_rename(before: dict[str, str], after: dict[str, str], expected: dict[str, str]) -> None:
    """A strategy that is gone, whose bots are all one new strategy's."""
    assert renamed(with_bots("b", **after), with_bots("a", **before)) == expected


def test_a_rename_moves_the_data_while_no_loop_has_it() -> None:
    """The new container is started beside the old one, which is stopped before the data gets its name; one container for several, too."""
    before = with_bots("20261101-000000-aaaa", fives="five", slow="s1")
    found = plan(with_bots("b", quints="five", slow="s1"), host(before), {"fives": "quints"})
    assert found.steps == (("start", "quints"), ("stop", "fives"), ("rename", "fives"), ("check", "quints"))
    assert found.strategies == ("fives", "quints")
    assert "rename    fives to quints (its ledger, account, state and journal go along)" in found.lines()
    together = {
        one: replace(record(f"t-{one}", one, "slow"), bots={one: ("five",), "slow": ("s1",)})
        for one in ("fives", "quints")
    }
    found = plan(release("d", t=together["quints"]), host(release("c", t=together["fives"])), {"fives": "quints"})
    assert found.steps == (("start", "t"), ("stop", "t"), ("rename", "fives"), ("check", "t"))


def test_bots_come_and_go() -> None:
    """A new one, one that is gone, and a container that now hosts both strategies."""
    before = with_bots("20261101-000000-aaaa", fives="five", slow="s1 s2")
    assert plan(with_bots("b", fives="five", other="new"), host(before)).remove == ("slow",)
    both = replace(record("t1", "fives", "slow"), bots={"fives": ("five",), "slow": ("s1", "s2")})
    assert plan(release("c", t=both), host(before)).takes_over == ("t",)
