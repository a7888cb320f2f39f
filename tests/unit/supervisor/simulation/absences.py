"""The supervisor's own absences, in which manifests come, break and are mended."""

from datetime import datetime, timedelta

from openbell.manifest import load_all
from tests.unit.supervisor.simulation.fleet import SHORT, manifest
from tests.unit.supervisor.simulation.history import MONTH, START, History
from tests.unit.supervisor.simulation.loops import SECOND


class Absences:
    """Kills the supervisor now and then, and starts it again after seconds to weeks."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._broken: dict[str, str] = {}  # strategies whose manifest is not valid, and what it should be
        self._mended: list[str] = []
        history.agenda.at(START + timedelta(hours=20), self._leave)

    def end(self) -> None:
        """Be there at the end."""
        if not self._history.supervisor.is_up:
            self._return(self._history.agenda.now)

    def _leave(self, at: datetime) -> None:
        if self._history.is_calm:
            return
        self._history.look(self._history.agenda.now)
        self._history.supervisor.kill(self._history.agenda.now)
        lengths = [2, 15, 40, 300, 4000, 40_000] + ([300_000, 1_500_000] if self._history.size.length > MONTH else [])
        length = self._history.rng.choice(lengths) * self._history.rng.uniform(0.5, 1) * SECOND
        self._history.injected["supervisor away"] += 1
        if not self._broken and self._history.rng.random() < 0.3:
            self._break_manifest()
        elif self._broken:
            self._mend_manifest()
        self._history.agenda.at(
            min(at + length, self._history.end - self._history.size.calm + timedelta(hours=1)), self._return
        )

    def _return(self, at: datetime) -> None:
        now = self._history.agenda.now
        newcomer = self._newcomer() if self._history.rng.random() < 0.3 else None
        self._history.supervisor.start(now)
        if newcomer is not None:
            manifests, _ = load_all(self._history.supervisor.strategies)
            self._history.deploy(next(one for one in manifests if one.name == newcomer), now, never=True)
        for name in self._broken:
            self._history.truth.begin(now, "bad_manifest", name, "", "a manifest that is not valid")
        for name in self._mended:
            self._history.truth.end(now, "bad_manifest", name, "")
            self._history.loops[name].fault = ""
        self._mended.clear()
        self._history.look_after(now, 31, 62, 100)
        away_again = 0.5 if self._broken else self._history.rng.uniform(0.2, 8)
        self._history.agenda.at(now + timedelta(days=away_again), self._leave)

    def _break_manifest(self) -> None:
        """Leave a manifest for the next start that is not valid; the strategy itself goes on."""
        well = [loop for loop in self._history.loops.values() if loop.is_well and loop.manifest.calendar != SHORT]
        if well:
            loop = self._history.rng.choice(well)
            loop.fault = "bad_manifest"
            path = self._history.supervisor.strategies / loop.name / "strategy.toml"
            self._broken[loop.name] = path.read_text()
            path.write_text('timezone = "Mars/Base"\n')
            self._history.injected["bad_manifest"] += 1

    def _mend_manifest(self) -> None:
        for name, text in self._broken.items():
            (self._history.supervisor.strategies / name / "strategy.toml").write_text(text)
            self._mended.append(name)
        self._broken.clear()

    def _newcomer(self) -> str:
        """Write the manifest of a strategy whose container does not start for a while."""
        name = f"newcomer_{len(self._history.loops)}"
        (self._history.supervisor.strategies / name).mkdir()
        text = manifest(name, 2, "UTC", None, ('every = "4h"', 'at = "12:00"'), self._history.rng)
        (self._history.supervisor.strategies / name / "strategy.toml").write_text(text)
        self._history.injected["never_started"] += 1
        return name
