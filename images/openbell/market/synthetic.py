"""The former name of openbell.trading.markets.synthetic."""

from openbell.trading.markets.synthetic import *  # noqa: F403 - all that it had
