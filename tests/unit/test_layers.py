"""The import rule of the house: manifest ← slots ← {runner, supervisor}; journal ← {runner, supervisor}; these two apart."""

from pathlib import Path

import pytest

from tests.unit.house_imports import Import, circles, imports, modules, reached, rooms, without_reexports

ROOT = Path(__file__).parents[2]
EVERYTHING = frozenset({"*"})
LANGUAGE = frozenset({"records"})  # stands for a module of the standard library: any room may import it

# What each room may import from openbell, directly or through others. A room is a module or a package in images/openbell.
# One that is not in this list may import anything but the rooms at the top, which nothing may import.
ALLOWED = {
    "calendars": frozenset[str](),
    "costs": frozenset[str](),
    "database_version": frozenset[str](),
    "durable": frozenset[str](),
    "foreign_files": frozenset[str](),
    "instants": frozenset[str](),
    "json_values": frozenset[str](),
    "records": frozenset[str](),
    "redaction": frozenset[str](),
    "restarts": frozenset[str](),
    "terminal": frozenset[str](),
    "thinning": frozenset[str](),
    "uplot": frozenset[str](),
    "journal": frozenset({"durable", "foreign_files", "json_values", "redaction"}),
    "manifest": frozenset({"calendars", "costs"}),
    "slots": frozenset({"calendars", "costs", "instants", "manifest"}),
    # What the supervisor shares with the runner: what is due, what was written, and the small files beside it.
    "supervisor": frozenset(
        {
            "account_shares",
            "answers",
            "heartbeat",
            "calendars",
            "clock",
            "control",
            "own_days_file",
            "costs",
            "database_version",
            "durable",
            "foreign_files",
            "instants",
            "journal",
            "json_values",
            "manifest",
            "order_terms",
            "paths",
            "redaction",
            "restarts",
            "slots",
            "thinning",
            "uplot",
            # Where hosts share a database: what people want of strategies, and whose the alerts are.
            *("desired_state", "group_commit", "ledger", "position", "postgres"),
        }
    ),
    "runner": EVERYTHING,
    "commands": EVERYTHING,
    "__main__": EVERYTHING,
    # strategy_user: a pod has to name the user that an image has.
    "deploy": frozenset({"calendars", "costs", "foreign_files", "manifest", "restarts", "strategy_user", "terminal"}),
}
TOP = frozenset({"runner", "supervisor", "commands", "__main__", "deploy"})
# Former names of modules: strategies written for openbell 0.1.0 import them, and nothing of openbell's own does.
FORMER = ("brokers", "context", "desk", "market", "stream")
# Who may import a room at the top. The command line names its commands' modules in strings.
MAY_IMPORT_TOP = {("commands", "runner"), ("commands", "supervisor"), ("__main__", "commands")}


def violations(found: list[Import]) -> list[str]:
    """Return one line for each import that breaks the rule."""
    direct: dict[str, set[str]] = {}
    for one in found:
        direct.setdefault(one.room, set()).add(one.imported)
    lines = []
    for one in found:
        known = reached([one.imported], direct)
        allowed = ALLOWED.get(one.room, EVERYTHING) | LANGUAGE
        if one.imported in TOP and (one.room, one.imported) not in MAY_IMPORT_TOP:
            lines.append(f"{one.where}: {one.room} may not import {one.imported}")
        elif not allowed >= EVERYTHING and not known <= allowed:
            over = ", ".join(sorted(known - allowed))
            lines.append(f"{one.where}: {one.room} may not import {one.imported}, which brings {over}")
    return lines


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Each module stands above all that it imports, in the whole tree."""
    found = modules(ROOT)

    assert len(found) > 200
    assert circles(without_reexports(found)) == []


def test_no_rooms_import_each_other_in_a_circle() -> None:
    """In each package of the tree, no child (a module or a folder) reaches itself through the others."""
    found = without_reexports(modules(ROOT))
    packages = {".".join(name.split(".")[:length]) for name in found for length in range(name.count(".") + 1)}

    assert {"", "openbell", "openbell.trading", "openbell.supervisor", "deploy"} <= packages
    assert {package: circle for package in packages if (circle := circles(rooms(found, package)))} == {}


def test_a_circle_of_rooms_is_found() -> None:
    """Two folders whose modules import each other are in a circle, though none of the modules is."""
    found = {"p.a.one": {"p.b.two"}, "p.b.two": set[str](), "p.b.three": {"p.a.four"}, "p.a.four": set[str]()}

    assert circles(found) == []
    assert circles(rooms(found, "p")) == [["p.a", "p.b"]]


# Each room of the supervisor may import those before it, and no other.
SUPERVISOR = ("model", "store", "ingest", "health", "watch", "alerts", "telegram", "web", "service")


def test_the_rooms_of_the_supervisor_stand_in_one_order() -> None:
    """No room of the supervisor imports one that comes after it, and each room is in the list."""
    found = rooms(modules(ROOT), "openbell.supervisor")
    order = {f"openbell.supervisor.{name}": number for number, name in enumerate(SUPERVISOR)}

    assert found.keys() == order.keys()
    assert [(room, other) for room, others in found.items() for other in others if order[other] > order[room]] == []


def test_a_circle_is_found() -> None:
    """Modules that reach each other are named together; the others are not."""
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}) == [["a", "b", "c"]]


def test_the_rooms_import_each_other_in_one_direction() -> None:
    """No module of the house imports one that its room may not know, directly or through another."""
    found = imports(ROOT)

    assert violations(found) == []
    assert {("slots", "manifest"), ("runner", "slots"), ("runner", "journal")} <= {one[:2] for one in found}


def test_former_names_are_imported_by_nothing_of_ours() -> None:
    """A container pays for the former names of modules only if its strategy imports them."""
    found = imports(ROOT)

    assert {one.room for one in found} >= set(FORMER), "each of them is there"
    assert [one.where for one in found if one.imported in FORMER] == []


@pytest.mark.parametrize(
    "path,line,expected",
    [
        ("runner/loop.py", "from openbell.supervisor import status", "runner may not import supervisor"),
        ("runner/loop.py", "def f():\n    import openbell.supervisor.health.bot_status as s", "runner may not import supervisor"),
        ("runner/loop.py", "from openbell import supervisor", "runner may not import supervisor"),
        ("runner/loop.py", "from ..supervisor import status", "runner may not import supervisor"),
        ("runner/loop.py", "from .. import supervisor", "runner may not import supervisor"),
        ("runner/__init__.py", "from ..supervisor import status", "runner may not import supervisor"),
        ("runner/loop.py", "importlib.import_module('openbell.supervisor')", "runner may not import supervisor"),
        ("supervisor/page.py", "from openbell.runner.decide import decide", "supervisor may not import runner"),
        ("supervisor/page.py", "from openbell.trading import limits", "supervisor may not import trading, which brings trading"),
        ("supervisor/page.py", "from openbell.heartbeat import read", "supervisor may not import heartbeat, which brings trading"),
        ("slots.py", "from openbell import journal", "slots may not import journal, which brings journal"),
        ("manifest.py", "from openbell.slots import next_slot", "manifest may not import slots, which brings slots"),
        ("journal.py", "from openbell import manifest", "journal may not import manifest, which brings manifest"),
        ("ledger.py", "from openbell.runner import loop", "ledger may not import runner"),
        ("context.py", "from openbell.commands import check", "context may not import commands"),
    ],
)  # fmt: skip
def test_a_wrong_import_is_found(tmp_path: Path, path: str, line: str, expected: str) -> None:
    """Every way to write an import that breaks the rule is found, with its file and line."""
    house = tmp_path / "images" / "openbell"
    (house / path).parent.mkdir(parents=True)
    (house / path).write_text(f"# the first line\n{line}\n")
    if "beat" in line:
        (house / "heartbeat.py").write_text("from openbell import trading\n")

    number = 2 + line.count("\n")
    assert violations(imports(tmp_path)) == [f"images/openbell/{path}:{number}: {expected}"]


@pytest.mark.parametrize(
    "line,expected",
    [
        ("from openbell.manifest import load", []),
        ("from openbell import manifest", []),
        ("from openbell.slots import next_slot", ["deploy may not import slots, which brings slots"]),
        ("import openbell.runner.loop", ["deploy may not import runner"]),
    ],
)
def test_deploy_imports_the_manifest_at_most(tmp_path: Path, line: str, expected: list[str]) -> None:
    """The host's side may read manifests, and nothing else of what is in an image."""
    (tmp_path / "images" / "openbell").mkdir(parents=True)
    (tmp_path / "deploy" / "hosts").mkdir(parents=True)
    (tmp_path / "deploy" / "hosts" / "ship.py").write_text(line)

    assert violations(imports(tmp_path)) == [f"deploy/hosts/ship.py:1: {one}" for one in expected]


def test_nothing_in_an_image_imports_deploy(tmp_path: Path) -> None:
    """The deploy side is never in an image."""
    (tmp_path / "images" / "openbell").mkdir(parents=True)
    (tmp_path / "images" / "openbell" / "paths.py").write_text("import deploy.hosts.config")

    assert violations(imports(tmp_path)) == ["images/openbell/paths.py:1: paths may not import deploy"]
