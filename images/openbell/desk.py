"""The former name of openbell.trading.run_services, for markets and brokers written before it moved. Nothing of openbell's own imports it."""

from openbell.trading.run_services import Intent
from openbell.trading.run_services import RunServices as Desk

__all__ = ["Desk", "Intent"]
