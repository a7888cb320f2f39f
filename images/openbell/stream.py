"""The former name of openbell.strategy.stream_context, for strategies written before it moved. Nothing of openbell's own imports it."""

from openbell.strategy.broker_now import BrokerNow
from openbell.strategy.stream_context import StreamContext
from openbell.strategy.stream_progress import StreamStopped

__all__ = ["BrokerNow", "StreamContext", "StreamStopped"]
