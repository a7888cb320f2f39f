"""The routes of a strategy's settings: what is in force, and what differs from the settings before."""

from dataclasses import asdict, dataclass
from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openbell.manifest import Bot, Manifest
from openbell.supervisor.health.snapshot import StrategyView
from openbell.supervisor.store import settings_history
from openbell.supervisor.web import answers
from openbell.supervisor.web.answers import StrategySettings
from openbell.supervisor.web.dependencies import Dependencies
from openbell.supervisor.web.request_params import reject_unknown
from openbell.supervisor.web.time_routes import Show


@dataclass(frozen=True)
class SettingsPage:
    """What the page shows. values: the settings in force apart from the bots', with the defaults, by their tables."""

    view: StrategyView
    settings: StrategySettings
    bots: tuple[Bot, ...]
    values: tuple[tuple[str, str], ...]


class SettingsRoutes:
    """The settings of a strategy."""

    def __init__(self, dependencies: Dependencies, show: Show) -> None:
        self._dependencies = dependencies
        self._show = show
        self.routes = [
            Route("/strategies/{name}/settings", self.page),
            Route("/api/strategies/{name}/settings", self.settings),
        ]

    def page(self, request: Request) -> Response:
        """Answer with the page."""
        view, manifest, settings = self._found(request)
        shown = SettingsPage(view, settings, manifest.bots, values(manifest))
        title = f"{view.name} settings · openbell"
        return self._show(request, "settings.html", self._dependencies.ready(), title=title, shown=shown)

    def settings(self, request: Request) -> Response:
        """Answer with the same for programs."""
        return JSONResponse(answers.STRATEGY_SETTINGS.json(self._found(request)[2]))

    def _found(self, request: Request) -> tuple[StrategyView, Manifest, StrategySettings]:
        reject_unknown(request)
        name = request.path_params["name"]
        view = self._dependencies.ready().strategy(name)
        manifest = next((one for one in self._dependencies.manifests if one.name == name), None)
        if view is None or manifest is None:
            raise HTTPException(404, f"there is no strategy {name[:100]}, or its manifest is not valid")
        kept = settings_history.kept(self._dependencies.store.parent, name)
        now, before = (kept[0] if kept else None), (kept[1] if len(kept) > 1 else None)
        changes = settings_history.difference(before, now) if now and before else []
        since: datetime | None = now.at if now else None
        text, packages = (now.manifest, now.packages) if now else ("", ())
        about = StrategySettings(view.name, view.release, since, text, packages, manifest.secrets, tuple(changes))
        return view, manifest, about


def values(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    """Return what is in force for a whole strategy, as texts. Secrets are no part of it. Pure."""
    found = {
        "market": manifest.market,
        "broker": manifest.broker,
        "money": manifest.money,
        "calendar": manifest.calendar or "none: every day",
        "start": manifest.start,
        "runs at the same time": str(manifest.max_parallel),
        "orders on old bars": manifest.stale,
    }
    tables = {
        "limits": asdict(manifest.limits),
        "capital": asdict(manifest.capital),
        "container": asdict(manifest.container),
    }
    for table, part in tables.items():
        given = {name.replace("_", " "): value for name, value in part.items() if value not in (None, "")}
        found |= {f"{table}: {name}": _text(value) for name, value in given.items()}
    return tuple(found.items())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
