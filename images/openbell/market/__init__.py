"""The former name of openbell.trading.markets, for strategies written before it moved. Nothing of openbell's own imports it."""

from openbell.trading.markets import Bar, Bars, Market, MarketError, Series, Value
from openbell.trading.markets.registry import open_market

__all__ = ["Bar", "Bars", "Market", "MarketError", "Series", "Value", "open_market"]
