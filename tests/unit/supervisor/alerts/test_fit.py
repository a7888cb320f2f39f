"""Messages fit what each service takes."""

import pytest

from openbell.supervisor.alerts.sender_process import fit

BODY = "\n".join(f"bot-{number:03} failed: ValueError: no bars of AAPL — “try” again" for number in range(110))


@pytest.mark.parametrize(
    "scheme, body_limit, title_limit, most",
    [
        ("discord", 2_000, 0, 2_000),
        ("tgram", 4_096, 0, 4_096),
        ("pover", 1_024, 250, 1_024),
        ("slack", 35_000, 250, 35_000),
        ("ntfy", 7_800, 250, 4_096),
        ("twilio", 160, 0, 160),
        ("json", 0, 250, 100_000),
    ],
)
def test_a_message_fits_its_channel(scheme: str, body_limit: int, title_limit: int, most: int) -> None:
    """It ends between two lines, and says how much there is more and where; what fits is sent whole."""
    assert len(BODY) > 6_000
    title, body = fit(scheme, "CRITICAL: 110 bots failed", BODY, body_limit, title_limit)
    together = body if title_limit else f"{title}\r\n{body}"
    assert len(together.encode() if scheme == "ntfy" else together) <= most
    if len(BODY) <= most:
        assert body == BODY
        return
    *kept, last = body.splitlines()
    assert kept == BODY.splitlines()[: len(kept)]
    if kept:
        assert last == f"… and {110 - len(kept)} more lines: `make status`"
    else:
        assert last.endswith("… `make status`")


def test_a_long_first_line_is_cut() -> None:
    """A title and a line without an end become one short message."""
    title, body = fit("twilio", "t" * 500, "x" * 5_000, 160, 0)
    assert len(title) + len(body) + 2 <= 160
    assert body.endswith("`make status`")


def test_what_fits_stays() -> None:
    """Most messages are as they were written."""
    assert fit("tgram", "OK", "all is well", 4_096, 0) == ("OK", "all is well")
