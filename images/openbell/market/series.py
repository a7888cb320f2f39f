"""The former name of openbell.trading.markets.series."""

from openbell.trading.markets.series import *  # noqa: F403 - all that it had
