"""One rate of requests for all users of an account, through a real PostgreSQL."""

from pathlib import Path

import pytest

from openbell.trading.run_services import RunServices
from openbell.trading.venues import BusyError
from openbell.trading.venues.gates import gate
from openbell.trading.venues.rate_limiter import RateLimiter
from openbell.trading.venues.shared_rate import SharedRateLimiter


def limiter(url: str, key: str = "key", per_minute: float = 6, burst: int = 3) -> SharedRateLimiter:
    """Return what a run on some host has: six requests a minute, three at once."""
    return SharedRateLimiter(url, "venue", key, per_minute, burst)


@pytest.mark.usefixtures("database")
def test_a_burst_goes_through_and_then_a_steady_rate(url: str) -> None:
    """Of all who use the account together, each with a limiter of its own; another account has its own rate."""
    waits = [limiter(url).reserve(60) for _ in range(5)]
    assert waits[:3] == [0, 0, 0]
    assert waits[3:] == [pytest.approx(10, abs=2), pytest.approx(20, abs=2)]
    assert limiter(url, "another").reserve(60) == 0


@pytest.mark.usefixtures("database")
def test_who_cannot_wait_takes_no_place(url: str) -> None:
    """The refusal says how long it would take; the next one does not wait behind it."""
    one = limiter(url, burst=1)
    assert one.reserve(0) == 0
    with pytest.raises(BusyError, match=r"the next request may be sent in \d+\.\d s, and the run has 0\.5 s left"):
        one.reserve(0.5)
    assert one.reserve(60) == pytest.approx(10, abs=2)


@pytest.mark.usefixtures("database")
def test_a_venue_that_asks_for_a_pause_gets_it_from_all(url: str) -> None:
    """Also a long one; a shorter one afterwards does not end it."""
    limiter(url).hold(3600)
    limiter(url).hold(1)
    with pytest.raises(BusyError) as busy:
        limiter(url).reserve(60)
    assert busy.value.after == pytest.approx(3600, abs=5)


def test_without_the_database_nothing_is_asked() -> None:
    """Other hosts may be asking: the request is turned away unread, so a run may try it again."""
    with pytest.raises(BusyError, match="nothing is asked of the venue while other hosts may ask it too: PostgreSQL"):
        limiter("postgresql://u:p@127.0.0.1:1/d").reserve(60)


def test_an_account_has_a_key_and_hosts_a_database(url: str, tmp_path: Path) -> None:
    """Without either the rate is that of a strategy on its host; the key itself is kept nowhere."""
    shared = RunServices(state=tmp_path, database=url)
    assert isinstance(gate(shared, "venue", "", 6, 3), RateLimiter)
    assert isinstance(gate(RunServices(state=tmp_path), "venue", "key", 6, 3), RateLimiter)
    one = gate(shared, "venue", "secret-key", 6, 3)
    assert isinstance(one, SharedRateLimiter)
    assert "secret-key" not in str(vars(one))
