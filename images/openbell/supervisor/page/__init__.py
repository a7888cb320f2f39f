"""The page, the API and the metrics: what the snapshot and the store say, and the few things that can be asked for."""

from openbell.supervisor.page.app import Page
from openbell.supervisor.page.sources import Sources
from openbell.supervisor.page.token import from_environment as token_from_environment

__all__ = ["Page", "Sources", "token_from_environment"]
