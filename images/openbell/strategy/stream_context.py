"""What a strategy that is always running is given: `def stream(ctx: StreamContext) -> None`.

    def stream(ctx):
        for tick in ctx.events(connect(ctx.symbols)):
            if tick.price > ctx.params["above"]:
                ctx.order(tick.symbol, "buy", 10, reason="broke out", event=tick.id)

The loop keeps it running: it is started again with a growing pause when it ends, and killed when it does not beat for
longer than its `timeout`.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from openbell.strategy.stream_progress import StreamProgress
from openbell.strategy.target_context import TargetContext

T = TypeVar("T")


class StreamContext(TargetContext):
    """One stream of one bot, as its strategy sees it. `slot` and `now` are the present."""

    def __init__(self, progress: StreamProgress) -> None:
        super().__init__(progress)
        self._stream = progress

    def beat(self) -> None:
        """Say that the stream is alive; call it at least once within the bot's `timeout`, also when nothing happens.

        What has changed in `state` is kept from here on.
        """
        self._stream.beat()

    def events(self, source: Iterable[T]) -> Iterator[T]:
        """Hand on the events of a source, and beat while they arrive."""
        for event in source:
            self._stream.beat()
            yield event
