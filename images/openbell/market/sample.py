"""The former name of openbell.trading.markets.sample."""

from openbell.trading.markets.sample import *  # noqa: F403 - all that it had
