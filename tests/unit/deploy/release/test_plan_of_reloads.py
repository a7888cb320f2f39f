"""Which containers live on while their strategies' folders change."""

from dataclasses import replace

import pytest

from deploy.release.plan import plan
from deploy.release.release import ServiceRecord
from deploy.remote.plan import IN_DOUBT
from tests.unit.deploy.release.releases import host, record, release


def together(image: str, base: str = "b1") -> ServiceRecord:
    """Return the record of a container for two strategies that can follow newer folders of them."""
    return replace(record(image, "daily", "fives"), base=base)


def test_folders_alone_are_reloaded() -> None:
    """The container lives on if it differs from what is wanted in its strategies' folders alone; a rollback is no other thing."""
    before, after = release("a", t=together("t1")), release("b", t=together("t2"))
    for wanted, there in ((after, host(before)), (before, host(after, before))):
        found = plan(wanted, there)
        assert found.steps == (("reload", "t"),)
        assert found.lines() == ["reload    t (changed: image; of daily, fives only those whose folders changed)"]


@pytest.mark.parametrize(
    "wanted, states",
    [(together("t2", "b2"), {}), (together("t2", ""), {}), (together("t2"), {"t": "exited"})],
    ids=["another kit", "no image that can", "stopped"],
)
def test_what_cannot_be_reloaded_gets_a_new_container(wanted: ServiceRecord, states: dict[str, str]) -> None:
    """More than folders has changed, or there is nothing that could follow them."""
    assert plan(release("b", t=wanted), host(release("a", t=together("t1")), **states)).steps == (("switch", "t"),)


def test_a_container_of_a_version_before_is_replaced_once() -> None:
    """It has no label that says that it can follow folders."""
    there = host(release("a", t=together("t1", "")))
    assert plan(release("b", t=together("t2")), there).steps == (("switch", "t"),)


@pytest.mark.parametrize("image", ["t1", "t2"])
def test_folders_in_doubt_are_reloaded(image: str) -> None:
    """A deploy was cut off while it changed them: also what was there before is brought once more."""
    there = host(release("a", t=together("t1")))
    containers = {"t": replace(there.containers["t"], fingerprint=IN_DOUBT)}
    found = plan(release("b", t=together(image)), replace(there, containers=containers))
    assert found.steps == (("reload", "t"),)
    assert "a deploy that was cut off may have changed its strategies' folders" in found.lines()[0]
