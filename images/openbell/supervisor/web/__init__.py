"""The page, the API and the metrics: what the snapshot and the store say, and the few things that can be asked for."""

from openbell.supervisor.web.app import WebApp
from openbell.supervisor.web.auth import from_environment as token_from_environment
from openbell.supervisor.web.dependencies import Dependencies

__all__ = ["Dependencies", "WebApp", "token_from_environment"]
