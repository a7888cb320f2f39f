"""Connections to brokers and exchanges: what every call to one has in common.

A call has a time limit, keeps to a rate that the strategy's runs share, and fails in one of the few ways below, whatever
the venue's own library calls them. The libraries are loaded where they are used: only images whose strategies ask for
them have them.
"""


class VenueError(Exception):
    """A call that failed; its text is one line."""


class UnansweredError(VenueError):
    """It is unknown whether the request has arrived: no connection, no answer in time, half an answer, a server's error."""


class BusyError(VenueError):
    """The venue has turned the request away unread and names the seconds after which it may come again."""

    def __init__(self, message: str, after: float) -> None:
        super().__init__(message)
        self.after = after


class RefusedError(VenueError):
    """The venue has read the request and said no."""


class MissingError(RefusedError):
    """The venue knows nothing of that name."""


class DuplicateError(RefusedError):
    """The venue has an order under that id already."""
