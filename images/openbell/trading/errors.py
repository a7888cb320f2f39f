"""Errors of orders, which both the brokers and the connections to them raise."""


class BrokerError(Exception):
    """The broker could not do what it was asked, or gave no answer; its text is one line. A rejected order is not one."""


class NotSentError(BrokerError):
    """The broker has certainly not taken the order: wrong keys, a ban, too many requests. It may be sent again."""


class OrderRefusedError(BrokerError):
    """An order that openbell itself did not send, for the reason that is its text."""
