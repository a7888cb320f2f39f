"""What the tests of interrupted deployments share: where they are cut off, and what holds afterwards."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from tests.deploy.site import Site, assert_no_slot_is_lost_or_doubled, words_of
from tests.engine.kit import wait_until

EVERY = timedelta(seconds=5)
# Lines of a deployment, in the order in which they come; the first two come before the host is asked to do anything.
POINTS = (
    "building the images",
    "shipped",
    "preflight of fives",
    "waiting for a quiet moment of fives",
    "starting fives",
    "waiting for the first run of fives",
)
# Where an engine was away for longer than five seconds, the newest slot runs and those before it are passed over. A slot that was
# claimed just before runs first, and what comes due during its run is passed over. The same holds where a release was bad: it
# gets no further slot, and the one before has to start again.
PASSED_OVER = ("coalesced", "overlap")


def change(site: Site) -> str:
    """Change a line of the strategy; return the new words."""
    words = f"changed at {datetime.now(UTC):%H:%M:%S.%f}"
    site.change("fives", words_of(site), words)
    return words


def recent(site: Site) -> list[dict[str, object]]:
    """Return what the strategy has written of the slots since this test began."""
    path = site.kit.folder / "began"
    began = path.read_text()
    return [line for line in site.journal("fives") if str(line.get("slot", line["timestamp"])) >= began]


def transactions_over(site: Site) -> bool:
    """Tell whether no transaction is in progress."""
    holder = site.machine.shell(f"flock --nonblock {site.root}/lock echo free || true").strip()
    return holder == "free"


def assert_all_is_well(
    site: Site, words: str, outcomes: Collection[str] = ("succeeded",), reasons: Collection[str] = ()
) -> None:
    """What was cut off has come to an end by itself; the next deployment succeeds, and nothing was lost meanwhile."""
    wait_until(lambda: transactions_over(site), "the transaction to end by itself", 120)
    assert sorted(site.containers()) == ["daily", "fives", "supervisor"]
    said = site.must("deploy")
    there = site.machine.shell("docker ps -a")
    assert sorted(site.containers()) == ["daily", "fives", "supervisor"], f"{said}\n{there}\n{site.log()}"
    path = "/strategy/strategy.py"
    assert words in site.machine.docker("exec", site.containers()["fives"], "cat", path)
    one_off = site.machine.shell(f"docker ps -aq --filter label=com.docker.compose.project={site.kit.project} | wc -l")
    assert int(one_off) == 3, f"{said}\n{there}\n{site.log()}"
    assert_no_slot_is_lost_or_doubled(recent(site), EVERY, outcomes, reasons)
