"""The former name of openbell.trading.brokers.exchange."""

from openbell.trading.brokers.exchange import *  # noqa: F403 - all that it had
