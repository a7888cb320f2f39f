"""The former name of openbell.trading.brokers.alpaca."""

from openbell.trading.brokers.alpaca import *  # noqa: F403 - all that it had
