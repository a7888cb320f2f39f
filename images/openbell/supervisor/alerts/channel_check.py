"""Checks the channels at the start, so that a wrong URL is found before an alert must be sent."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime

from openbell.supervisor.alerts.sender_client import SenderClient
from openbell.supervisor.alerts.settings import Channel


def check_channels(channels: Sequence[Channel]) -> Mapping[str, str]:
    """Return the Apprise plugin of each channel's scheme.

    ValueError with one line if Apprise does not accept a channel's URL; the line never shows the URL.
    """
    if not channels:
        return {}
    with closing(SenderClient(lambda: datetime.now(UTC))) as sender:
        for channel in channels:
            if why := sender.check(channel):
                msg = f'OPENBELL_ALERT_URLS: channel "{channel.name}" ({channel.scheme}://…): {why}'
                raise ValueError(msg)
        return dict(sender.modules)
