"""What the messages of wrong manifests say is allowed."""

from typing import NamedTuple

SETTINGS = "grace, timeout, retries, catch_up, catch_up_within, halt_after"
SYMBOLS = 'different symbols such as ["AAPL", "MSFT"]'
GRACE = 'a duration such as "60s", at most 3650d'
TIMEOUT = 'a duration longer than zero such as "2m", at most 3650d'


class Case(NamedTuple):
    """A line of a manifest, and what is wrong with it."""

    line: str
    key: str
    found: str
    allowed: str


def expected(case: Case) -> list[str]:
    """Return the one line that a case is refused with."""
    return [f"{case.key}: found {case.found}; allowed: {case.allowed}"]
