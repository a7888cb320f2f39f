"""The former name of openbell.trading.markets.alpaca."""

from openbell.trading.markets.alpaca import *  # noqa: F403 - all that it had
