"""Calls to a venue: through the gate, within the time that the run has, and again only where that cannot do harm."""

import time
from collections.abc import Callable
from typing import TypeVar

from openbell.records import dataclass
from openbell.trading.errors import NotSentError, OrderRefusedError
from openbell.trading.run_services import Halted
from openbell.trading.venues import BusyError, RefusedError, UnansweredError, VenueError
from openbell.trading.venues.gates import Gate

T = TypeVar("T")

RESERVE = 2.0  # seconds that are kept back for the end of the run
TRIES = 3  # of a question that was not answered


@dataclass(frozen=True)
class Calls:
    """Makes one run's calls."""

    gate: Gate
    remaining: Callable[[], float]
    halted: Halted
    translate: Callable[[Exception], VenueError]  # the library's exception, as one of ours

    def ask(self, question: Callable[[], T]) -> T:
        """Return the answer to a question, which may be asked again; VenueError if there is none."""
        tries = 0
        while True:
            try:
                return self._once(question)
            except BusyError as busy:
                self.gate.hold(busy.after)
            except UnansweredError:
                tries += 1
                if tries == TRIES or self.remaining() < RESERVE:
                    raise
                time.sleep(min(0.2 * 2**tries, max(0.0, self.remaining() - RESERVE)))

    def send(self, order: Callable[[], T], *, is_exit: bool = False, before: Callable[[], None] = lambda: None) -> T:
        """Send an order and return the answer. It is sent again only if the venue has turned it away unread.

        UnansweredError if it is unknown whether it has arrived: then it must be looked up. NotSentError if it has not.
        OrderRefusedError if trading is halted.
        before: called right before each sending, when the request has waited for its place.
        """

        def stop_if_halted() -> None:
            if reason := self.halted(is_exit=is_exit):
                raise OrderRefusedError(reason)
            before()

        while True:
            try:
                return self._once(order, before=stop_if_halted)
            except BusyError as busy:
                self.gate.hold(busy.after)
            except (UnansweredError, RefusedError):
                raise
            except VenueError as error:  # wrong keys, or the run ends before the venue may be asked: it was not read
                raise NotSentError(str(error)) from error

    def _once(self, call: Callable[[], T], before: Callable[[], None] = lambda: None) -> T:
        try:
            time.sleep(self.gate.reserve(self.remaining() - RESERVE))
        except BusyError as busy:
            raise TooLongError(str(busy)) from None
        before()
        try:
            return call()
        except Exception as error:
            raise self.translate(error) from error


class TooLongError(VenueError):
    """The run ends before the venue may be asked again."""


def first_line(error: object, most: int = 300) -> str:
    """Return an error's text as one line that is not too long."""
    return " ".join(str(error).split())[:most] or type(error).__name__
