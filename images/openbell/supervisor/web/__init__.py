"""The page, the API and the metrics, made from the snapshot and the store."""

from openbell.supervisor.web import lean_uvicorn  # noqa: F401 - before the other modules here import it
from openbell.supervisor.web.app import WebApp
from openbell.supervisor.web.auth import from_environment as token_from_environment
from openbell.supervisor.web.dependencies import Dependencies
from openbell.supervisor.web.read_access import Readers, readers

__all__ = ["Dependencies", "Readers", "WebApp", "readers", "token_from_environment"]
