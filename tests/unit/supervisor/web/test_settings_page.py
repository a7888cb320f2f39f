"""The settings of a strategy: what is in force, what differs from the settings before, secrets by name only."""

from datetime import timedelta
from pathlib import Path

from openbell.supervisor.store import settings_history
from openbell.supervisor.store.settings_history import FOLDER, MOST_KEPT, Settings, difference, kept, read, remember
from tests.unit.supervisor.web.client import Client

LOCK = "# made by a tool\nnumpy==2.4.1 ; python_version >= '3.11' \\\n    --hash=sha256:aa\nccxt[pro]==4.5.0 \\\n    --hash=sha256:bb\n"


def settings(client: Client, minutes: int, manifest: str, *packages: str) -> None:
    """Let the supervisor see settings of pulse, so long after now."""
    at = client.world.now + timedelta(minutes=minutes)
    remember(client.sources.store.parent, "pulse", Settings(at, manifest, packages))


def test_manifest_and_packages_are_read(tmp_path: Path, client: Client) -> None:
    """Packages come from the lock, without hashes; no lock means none."""
    folder = tmp_path / "strategies" / "demo"
    folder.mkdir(parents=True)
    (folder / "strategy.toml").write_text("timezone = 'UTC'")
    assert read(folder.parent, "demo", client.world.now).packages == ()
    (folder / "requirements.txt").write_text(LOCK)
    found = read(folder.parent, "demo", client.world.now)
    assert (found.manifest, found.packages) == ("timezone = 'UTC'", ("numpy==2.4.1", "ccxt[pro]==4.5.0"))


def test_a_change_is_shown(client: Client) -> None:
    """On the page and in the API, from the settings before to those in force."""
    settings(client, 0, 'every = "1m"', "numpy==2.4.0")
    settings(client, 5, 'every = "1m"', "numpy==2.4.0")  # a restart without a change
    settings(client, 9, 'every = "5m"', "numpy==2.4.1")
    told = client.ask("/api/strategies/pulse/settings").json()
    assert (told["since"], told["packages"]) == ("2026-11-20T12:12:25.000Z", ["numpy==2.4.1"])
    changed = [line for line in told["difference"] if line[:3] not in {"---", "+++"} and line[0] in "+-"]
    assert changed == ['-every = "1m"', '+every = "5m"', "-numpy==2.4.0", "+numpy==2.4.1"]
    page = client.ask("/strategies/pulse/settings").text
    assert '<span class="added">+every = &#34;5m&#34;</span>' in page
    assert "these settings since" in page
    assert 'href="/strategies/pulse/settings"' in client.ask("/strategies/pulse").text


def test_nothing_before(client: Client) -> None:
    """The first settings have none to differ from; without any record the page still says what is in force."""
    assert "not recorded yet" in client.ask("/strategies/pulse/settings").text
    settings(client, 0, "x")
    assert client.ask("/api/strategies/pulse/settings").json()["difference"] == []
    assert client.ask("/strategies/other/settings").status_code == 404
    assert client.ask("/api/strategies/other/settings").status_code == 404


def test_secrets_are_names(client: Client) -> None:
    """What the variables hold is not in this process, and not on the page."""
    client.world.restart()
    client.world.strategy(
        "keyed", 'timezone = "UTC"\nsecrets = ["KEYED_TOKEN"]\n[[bot]]\nid = "k"\nsymbols = ["A"]\nevery = "1h"\n'
    )
    client.world.see()
    again = Client(client.world)
    assert again.ask("/api/strategies/keyed/settings").json()["secrets"] == ["KEYED_TOKEN"]
    assert "<code>KEYED_TOKEN</code>" in again.ask("/strategies/keyed/settings").text


def test_so_many_are_kept(client: Client) -> None:
    """The newest; a file that is damaged counts as none and is written anew."""
    for number in range(MOST_KEPT + 3):
        settings(client, number, f"number {number}")
    state = client.sources.store.parent
    assert [one.manifest for one in kept(state, "pulse")] == [
        f"number {number}" for number in range(MOST_KEPT + 2, 2, -1)
    ]
    (state / FOLDER / "pulse.json").write_bytes(b"[" * 100_000)
    assert kept(state, "pulse") == ()
    settings(client, 99, "again")
    assert [one.manifest for one in kept(state, "pulse")] == ["again"]


def test_all_are_remembered_at_the_start(client: Client) -> None:
    """One whose manifest is gone keeps no other from it."""
    state = client.sources.store.parent
    settings_history.remember_all(state, client.world.strategies, ["gone", "pulse"], client.world.now)
    assert kept(state, "gone") == ()
    assert "AAPL" in kept(state, "pulse")[0].manifest
    assert difference(kept(state, "pulse")[0], kept(state, "pulse")[0]) == []
