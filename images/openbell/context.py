"""The former name of openbell.strategy.context, for strategies written before it moved. Nothing of openbell's own imports it."""

from openbell.strategy.context import BotContext, Context
from openbell.strategy.run_state import Run, State, StrategyError, order_identity

__all__ = ["BotContext", "Context", "Run", "State", "StrategyError", "order_identity"]
