"""The wire: time limits on every request that goes through a session of `requests`, which both libraries use."""

import time
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

CONNECT = 5.0  # seconds
SILENCE = 8.0  # seconds without a byte
WHOLE = 20.0  # seconds for an answer as a whole: a slow trickle is no answer either
_PIECE = 65536


def limit(session: "Session") -> "Limited":
    """Give every request of the session its time limits, and return what keeps to them; it does not retry."""
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - only images with a venue's library have it

    limited = Limited(HTTPAdapter(max_retries=0))
    for prefix in ("https://", "http://"):
        session.mount(prefix, cast("Any", limited))
    return limited


class Limited:
    """An adapter that reads the whole answer in time, or raises what `requests` raises for a time-out.

    ahead: how many seconds the other side's clock was ahead of ours at its last answer; 0 if it did not say.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.ahead = 0.0

    def send(self, request: "PreparedRequest", **options: object) -> "Response":
        """Send one request; the answer is there as a whole."""
        options.update(timeout=(CONNECT, SILENCE), stream=True)
        started = time.monotonic()
        response = cast("Response", self._inner.send(request, **options))
        self.ahead = _ahead(response.headers.get("Date"))
        body = bytearray()
        try:
            while piece := response.raw.read1(_PIECE, decode_content=True):
                body += piece
                if time.monotonic() - started > WHOLE:
                    _raise_timeout(request)
            # What was promised must have come: half an answer is none.
            left = getattr(response.raw, "length_remaining", 0)
        except Exception as error:
            from requests.exceptions import ConnectionError as Cut  # noqa: PLC0415 - as above
            from requests.exceptions import RequestException  # noqa: PLC0415

            if isinstance(error, RequestException):
                raise
            raise Cut(error, request=request) from error
        finally:
            response.close()
        if left:
            from requests.exceptions import ConnectionError as Cut  # noqa: PLC0415 - as above

            msg = f"{left} bytes of the answer are missing"
            raise Cut(msg, request=request)
        response._content = bytes(body)  # noqa: SLF001 - how `requests` itself keeps what it has read
        response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001
        return response

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def _ahead(date: str | None) -> float:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - only a run with a venue needs it

    try:
        ahead = parsedate_to_datetime(str(date)).timestamp() - time.time()
    except (TypeError, ValueError):
        return 0.0
    return 0.0 if -1.5 < ahead < 1.5 else ahead  # the header has whole seconds


def _raise_timeout(request: "PreparedRequest") -> None:
    from requests.exceptions import ReadTimeout  # noqa: PLC0415 - as above

    msg = f"the answer was not complete after {WHOLE:g} s"
    raise ReadTimeout(msg, request=request)
