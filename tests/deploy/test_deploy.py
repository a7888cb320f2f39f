"""Deployments to a real server: what is touched, what is not, and the way back."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.deploy.site import FAILS, SECRET, SLEEPS, Site, assert_no_slot_is_lost_or_doubled, words_of
from tests.engine.kit import wait_until

EVERY = timedelta(seconds=5)


def received_by(site: Site) -> int:
    """Return the bytes that the server's network card has received so far, headers and all."""
    return int(site.machine.shell("cat /sys/class/net/eth0/statistics/rx_bytes"))


def test_a_first_deployment_starts_everything_and_leaves_a_record(deployed: Site) -> None:
    """What runs is what the record says, the audit has a line, and the supervisor knows which release it is."""
    release = deployed.current()
    assert sorted(deployed.containers()) == ["daily", "fives", "supervisor"]
    record = json.loads(deployed.machine.shell(f"cat {deployed.root}/current/release.json"))
    assert record["id"] == release
    assert re.fullmatch(r"[0-9a-f]{40}", record["commit"])
    assert record["dirty"]  # deploy/ is not in the commit
    for name, container in deployed.containers().items():
        image = deployed.machine.docker("inspect", "--format", "{{.Config.Image}}", container).strip()
        assert image == record["services"][name]["image"] == f"{deployed.kit.project}/{name}:{image[-12:]}"
    first = deployed.audit()[0]
    assert (first["action"], first["release"], first["outcome"]) == ("deploy", release, "succeeded")
    said = json.loads(
        deployed.machine.docker("exec", deployed.containers()["supervisor"], "cat", "/control/deployment.json")
    )
    assert said["release"] == deployed.current()
    assert datetime.fromisoformat(said["until"]) <= datetime.now(UTC)
    assert release in deployed.must("releases")


def test_a_change_of_one_line_touches_one_container(deployed: Site) -> None:
    """The others are the very same containers as before; the new one runs the new line; no slot is lost or doubled."""
    before, release = deployed.containers(), deployed.current()
    deployed.change("fives", words_of(deployed), "one line changed")
    received = received_by(deployed)
    said = deployed.must("deploy")
    received = received_by(deployed) - received
    # With the login, every command and the headers of all packets: the program for the server is not among them.
    assert received < 25_000
    after = deployed.containers()
    assert "start     fives (changed: image)" in said
    assert "untouched daily, supervisor" in said
    assert after["fives"] != before["fives"]
    assert {name: after[name] for name in ("daily", "supervisor")} == {
        name: before[name] for name in ("daily", "supervisor")
    }
    assert deployed.current() != release
    lines = deployed.journal("fives")
    assert [line["reason"] for line in lines if line["event"] == "decision"][-1] == "one line changed"
    assert_no_slot_is_lost_or_doubled(lines, EVERY)


def test_the_same_again_touches_nothing(deployed: Site) -> None:
    """Another deployment of the same sources makes no release."""
    before, release = deployed.containers(), deployed.current()
    assert "nothing to do: this is what runs there" in deployed.must("deploy")
    assert (deployed.containers(), deployed.current()) == (before, release)


def test_the_same_again_after_a_prune_touches_nothing(deployed: Site) -> None:
    """What runs was held; the plan lists nothing to ship, since nothing is sent."""
    before, release = deployed.containers(), deployed.current()
    deployed.machine.shell("docker system prune --all --force")
    said = deployed.must("deploy")
    assert "nothing to do: this is what runs there" in said
    assert not re.search(r"[1-9] of \d+ to ship", said), said
    assert (deployed.containers(), deployed.current()) == (before, release)


def test_a_dry_run_shows_the_plan_and_changes_nothing(deployed: Site) -> None:
    """Images and bytes, what would be touched, and what is due; no file of the server changes."""
    listing = f"cd {deployed.root} && find . -type f | sort | xargs md5sum"
    before, files = deployed.containers(), deployed.machine.shell(listing)
    words = words_of(deployed)
    deployed.change("fives", words, "only thought of")
    said = deployed.must("deploy", "DRY_RUN=1")
    deployed.change("fives", "only thought of", words)
    assert "start     fives (changed: image)" in said
    assert re.search(r"due soon +fives: due at", said)
    assert re.search(r"ship .*fives", said)
    assert (deployed.containers(), deployed.machine.shell(listing)) == (before, files)


def test_a_rollback_is_a_deployment_of_the_release_before(deployed: Site) -> None:
    """The old line runs again, through the same gate; the other containers are not touched; no slot is lost."""
    words, old = words_of(deployed), deployed.current()
    deployed.change("fives", words, "a mistake")
    deployed.must("deploy")
    before, new = deployed.containers(), deployed.current()
    deployed.must("rollback")
    after = deployed.containers()
    assert (deployed.current(), after["daily"]) == (old, before["daily"])
    lines = deployed.journal("fives")
    assert [line["reason"] for line in lines if line["event"] == "decision"][-1] != "a mistake"
    assert_no_slot_is_lost_or_doubled(lines, EVERY)
    assert [(line["action"], line["release"]) for line in deployed.audit()][-2:] == [("deploy", new), ("rollback", old)]
    deployed.change("fives", "a mistake", words)


@pytest.mark.deploy_long
def test_a_rollback_goes_to_the_release_that_is_named(deployed: Site) -> None:
    """Also to the one from which a rollback has returned."""
    old = deployed.current()
    deployed.change("fives", words_of(deployed), "another thought")
    deployed.must("deploy")
    new = deployed.current()
    deployed.must("rollback", f"TO={old}")
    assert deployed.current() == old
    deployed.must("rollback", f"TO={new}")
    assert deployed.current() == new


def test_a_release_that_cannot_be_imported_never_touches_the_old_one(deployed: Site) -> None:
    """Its preflight says why; the containers are the very same, and its record is not kept."""
    before, release = deployed.containers(), deployed.current()
    deployed.change("fives", "import time\n", "import time\n\n__import__('no_such_module')\n")
    code, said = deployed.run("deploy")
    deployed.change("fives", "import time\n\n__import__('no_such_module')\n", "import time\n")
    assert code == 1
    assert "nothing was touched" in said
    assert "ModuleNotFoundError: No module named 'no_such_module'" in said
    assert (deployed.containers(), deployed.current()) == (before, release)
    assert release in deployed.machine.shell(f"ls {deployed.root}/releases").split()
    assert deployed.audit()[-1]["outcome"] == "refused"


def test_a_release_that_fails_its_gate_gives_everything_back(deployed: Site) -> None:
    """Its first run fails: the old release runs again, with its code; the reason is printed; the next one succeeds."""
    release = deployed.current()
    deployed.change("fives", SLEEPS, FAILS)
    code, said = deployed.run("deploy")
    deployed.change("fives", FAILS, SLEEPS)
    assert code == 1
    assert f"did not pass its gate, and {release} runs again" in said
    assert "ValueError: no good" in said
    assert deployed.current() == release
    fingerprint = '{{index .Config.Labels "openbell.fingerprint"}}'
    runs = deployed.machine.docker("inspect", "--format", fingerprint, deployed.containers()["fives"]).strip()
    record = json.loads(deployed.machine.shell(f"cat {deployed.root}/current/release.json"))
    assert runs == record["services"]["fives"]["fingerprint"]
    last = deployed.audit()[-1]
    assert last["outcome"] == "returned"
    assert "ValueError: no good" in str(last["reason"])
    assert "nothing to do" in deployed.must("deploy")


def test_a_secret_reaches_only_the_strategy_that_names_it(deployed: Site) -> None:
    """It arrives as it is, in files for their owner alone, and nothing else anywhere has it."""
    machine, containers = deployed.machine, deployed.containers()
    assert machine.docker("exec", containers["daily"], "printenv", "DAILY_KEY").rstrip("\n") == SECRET
    assert "DAILY_KEY" not in machine.docker("exec", containers["fives"], "env")
    watcher = "while :; do ps -eo args >>/tmp/seen; sleep 0.02; done"
    machine.shell(f"setsid sh -c '{watcher}' >/dev/null 2>&1 & echo $! >/tmp/watcher")
    # The value is another one now, so that it is sent again.
    env = deployed.kit.folder / ".env"
    env.write_text(env.read_text() + "DAILY_KEY=another-4c1e7f\n")
    said = deployed.must("deploy")
    machine.shell("kill $(cat /tmp/watcher)")
    assert "start     daily (changed: secrets)" in said
    assert machine.docker("exec", deployed.containers()["daily"], "printenv", "DAILY_KEY").strip() == "another-4c1e7f"
    assert "4c1e7f" not in said
    assert "docker" in machine.shell("cat /tmp/seen")
    assert "4c1e7f" not in machine.shell("cat /tmp/seen")
    found = machine.shell(f"grep -rl 4c1e7f {deployed.root} /var/log || true").split()
    assert found
    assert {path.rpartition("/")[2] for path in found} == {"daily.json"}
    modes = machine.shell(f"find {deployed.root} -type f -path '*/secrets/*' -printf '%m\\n' | sort -u").split()
    assert modes == ["600"]
    for container in deployed.containers().values():
        assert "4c1e7f" not in machine.shell(f"docker logs {container} 2>&1")
    images = machine.shell(
        "docker image ls -q | sort -u | xargs docker image inspect; docker image ls -q | sort -u | xargs -n 1 docker history --no-trunc"
    )
    assert "4c1e7f" not in images


@pytest.mark.deploy_long
def test_a_moment_without_runs_can_be_waited_for(deployed: Site) -> None:
    """Of the strategies that are to be stopped; the others may be as busy as they like."""
    daily = deployed.kit.folder / "strategies/daily/strategy.py"
    daily.write_text(daily.read_text().replace("a quiet day", "a very quiet day"))
    said = deployed.must("deploy", "WAIT=idle")
    assert "waiting until no run is in progress and no slot is due soon" in said
    assert "untouched fives, supervisor" in said


@pytest.mark.deploy_long
def test_one_strategy_alone_is_deployed(deployed: Site) -> None:
    """What else has changed here stays as it is there."""
    before = deployed.containers()
    deployed.change("fives", words_of(deployed), "alone")
    daily = deployed.kit.folder / "strategies/daily/strategy.py"
    text = daily.read_text()
    daily.write_text(text.replace("quiet day", "noisy day"))
    deployed.must("deploy", "STRATEGY=fives")
    daily.write_text(text)
    after = deployed.containers()
    assert after["fives"] != before["fives"]
    assert after["daily"] == before["daily"]
    assert "nothing to do" in deployed.must("deploy")


def test_a_second_deployment_is_told_who_is_at_it(deployed: Site) -> None:
    """The lock has an owner and a purpose; it is free as soon as its holder is dead."""
    holder = '{"by": "bob@desk", "purpose": "deploying something", "since": "now", "transaction": ""}'
    script = f"exec 9>>{deployed.root}/lock; flock 9; echo '{holder}' >{deployed.root}/lock; exec sleep 300 9>&9"
    (deployed.kit.folder / "holder.sh").write_text(script)
    deployed.machine.shell(
        f"setsid sh -c '{script.replace(chr(39), chr(39) + chr(92) + chr(39) + chr(39))}' >/dev/null 2>&1 & echo $! >/tmp/holder"
    )
    wait_until(lambda: "bob" in deployed.machine.shell(f"cat {deployed.root}/lock"), "the lock to be held")
    code, said = deployed.run("deploy")
    assert code == 1
    assert "vps: bob@desk holds the lock since now: deploying something: wait until it is done" in said
    deployed.machine.shell("kill -9 $(cat /tmp/holder)")
    assert "nothing to do" in deployed.must("deploy")


def test_a_rollback_without_its_images_touches_nothing(deployed: Site) -> None:
    """An image that was removed by hand is sent again."""
    before, release = deployed.containers(), deployed.current()
    records = deployed.machine.shell(f"ls {deployed.root}/releases").split()
    other = next(record for record in records if record != release)
    compose = deployed.machine.shell(f"cat {deployed.root}/releases/{other}/compose.yaml")
    images = f"{deployed.root}/releases/{other}/images"
    deployed.machine.shell(f"cp {images} /tmp/images; echo {deployed.kit.project}/fives:ffffffffffff >>{images}")
    code, said = deployed.run("rollback", f"TO={other}")
    deployed.machine.shell(f"mv /tmp/images {images}")
    assert code == 1
    assert "an image is not there any more" in said
    assert deployed.machine.shell(f"cat {deployed.root}/releases/{other}/compose.yaml") == compose
    assert (deployed.containers(), deployed.current()) == (before, release)


@pytest.mark.deploy_long
def test_a_strategy_that_is_gone_is_removed(deployed: Site) -> None:
    """And comes back with a rollback, with what it had."""
    folder = deployed.kit.folder
    services = folder / "compose" / "strategies.yaml"
    text = services.read_text()
    head, _, tail = text.partition("  daily:")
    services.write_text(head)
    (folder / "strategies" / "daily").rename(folder / "daily-away")
    try:
        said = deployed.must("deploy")
    finally:
        services.write_text(f"{head}  daily:{tail}")
        (folder / "daily-away").rename(folder / "strategies" / "daily")
    assert "remove    daily (it is not in this release)" in said
    assert "daily" not in deployed.containers()
    deployed.must("rollback")
    assert "daily" in deployed.containers()


@pytest.mark.deploy_long
def test_old_releases_go_and_what_is_used_or_not_ours_stays(deployed: Site) -> None:
    """Five records stay, with their images; an image that came from elsewhere is not touched."""
    machine = deployed.machine
    theirs = f"{deployed.kit.project}/fives:0123456789ab"
    machine.docker("tag", f"{deployed.kit.project}/fives:{tag_of(deployed, 'fives')}", theirs)
    while len(machine.shell(f"ls {deployed.root}/releases").split()) < 5 or "pruned" not in deployed.log():
        words = words_of(deployed)
        deployed.change("fives", words, f"{words.split(',')[0]}, {datetime.now(UTC):%H%M%S}")
        deployed.must("deploy")
    kept = machine.shell(f"ls {deployed.root}/releases").split()
    assert len(kept) == 5
    wanted = set(machine.shell(f"cat {deployed.root}/releases/*/images").split())
    there = set(machine.shell("docker image ls --format '{{.Repository}}:{{.Tag}}'").split())
    assert wanted <= there
    assert theirs in there
    ours = {tag for tag in there if tag.startswith(deployed.kit.project)} - {theirs}
    assert ours == wanted
    assert [line for line in deployed.audit() if line["action"] == "prune"]
    assert_no_slot_is_lost_or_doubled(deployed.journal("fives"), EVERY, ("succeeded", "failed"))


def tag_of(site: Site, service: str) -> str:
    """Return the tag of the image that a service runs."""
    image = site.machine.docker("inspect", "--format", "{{.Config.Image}}", site.containers()[service])
    return image.strip().rpartition(":")[2]
