"""What a strategy is given, and how its folder is loaded. Strategies write `from openbell.strategy import Context`."""

from openbell.strategy.context import Context
from openbell.strategy.stream_context import StreamContext

__all__ = ["Context", "StreamContext"]
