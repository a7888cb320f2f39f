"""The former name of openbell.trading.brokers.paper."""

from openbell.trading.brokers.paper import *  # noqa: F403 - all that it had
