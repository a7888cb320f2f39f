"""Messages fit every service that Apprise knows, by its own limits."""

import pytest
from apprise import NotifyBase
from apprise.manager_plugins import NotificationManager

from openbell.supervisor.alerts.sender_process import BYTES, CHARACTERS, SHORTEST, fit

# Plugins for services that are not used here import modules that Python is about to remove.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

BODY = "\n".join(f"bot-{number:04} failed: ValueError: no bars of AAPL" for number in range(150))
# What the services themselves take, whatever Apprise's plugins say.
SERVICES = {"discord": 2_000, "tgram": 4_096, "pover": 1_024, "slack": 40_000, "twilio": 160, "ntfy": 4_096, "sns": 160}


def _plugins() -> dict[str, type[NotifyBase]]:
    manager = NotificationManager()  # type: ignore[no-untyped-call]
    return {scheme: manager[scheme] for scheme in manager.schemas()}  # type: ignore[no-untyped-call]


def _limits(plugin: type[NotifyBase]) -> tuple[int, int] | None:
    """Return the longest body and title; None if they depend on the address."""
    body, title = (getattr(plugin, name) for name in ("body_maxlen", "title_maxlen"))
    return None if isinstance(body, property) or isinstance(title, property) else (int(body), int(title))


def test_a_message_fits_every_service() -> None:
    """Title and body together where the service has no titles, the body alone where it has them."""
    known = {scheme: limits for scheme, plugin in _plugins().items() if (limits := _limits(plugin)) is not None}
    assert len(known) > 100
    for scheme, limits in known.items():
        title, body = fit(scheme, "CRITICAL: 150 bots failed", BODY, *limits)
        together = body if limits[1] else f"{title}\r\n{body}"
        most = min(limits[0] or 100_000, CHARACTERS.get(scheme, 100_000), SERVICES.get(scheme, 100_000))
        assert len(together) <= max(most, 2 * SHORTEST + 2), scheme
        assert len(body.encode()) <= BYTES.get(scheme, 1 << 20), scheme
        assert len(title) <= (limits[1] or most), scheme
        assert body == BODY or "make status" in body, scheme


def test_the_services_with_known_limits_are_there() -> None:
    """A scheme that Apprise renames would lose its limit."""
    assert (BYTES.keys() | CHARACTERS.keys() | SERVICES.keys()) <= _plugins().keys()
