"""The former name of openbell.strategy.stream_context, for strategies written before it moved. Nothing of openbell's own imports it."""

from openbell.strategy.stream_context import BrokerNow, StreamContext, StreamStopped

__all__ = ["BrokerNow", "StreamContext", "StreamStopped"]
