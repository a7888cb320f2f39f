"""The former name of openbell.trading.markets.history."""

from openbell.trading.markets.history import *  # noqa: F403 - all that it had
