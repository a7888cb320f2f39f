"""The former name of openbell.trading.markets.exchange."""

from openbell.trading.markets.exchange import *  # noqa: F403 - all that it had
