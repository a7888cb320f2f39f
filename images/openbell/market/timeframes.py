"""The former name of openbell.trading.markets.timeframes."""

from openbell.trading.markets.timeframes import *  # noqa: F403 - all that it had
