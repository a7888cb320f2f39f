"""The former name of openbell.strategy.context, for strategies written before it moved. Nothing of openbell's own imports it."""

from openbell.strategy.context import Context
from openbell.strategy.run_state import Run, State, StrategyError, order_identity
from openbell.strategy.target_context import TargetContext as BotContext

__all__ = ["BotContext", "Context", "Run", "State", "StrategyError", "order_identity"]
