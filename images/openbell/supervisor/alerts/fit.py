"""Messages that fit their channel: what a service would cut or refuse is shortened between two lines. Pure."""

from openbell.supervisor.alerts.links import LINE

# Bytes that a service takes although its plugin says more: beyond them it turns the text into a file.
BYTES = {"ntfy": 4_096, "ntfys": 4_096}
# Characters that a service takes although its plugin says more or nothing.
CHARACTERS = {"discord": 2_000, "tgram": 4_096, "pover": 1_024, "slack": 40_000, "twilio": 1_600}
SHORTEST = 60  # characters that a channel's limit leaves at least


def fit(scheme: str, title: str, body: str, body_limit: int, title_limit: int) -> tuple[str, str]:
    """Return title and body as the service takes them.

    body_limit, title_limit: characters, as Apprise knows them. Where the title has no place of its own (a limit of 0) it is
    the first line of the body. A link in the last line stays whole.
    """
    most = min(limit for limit in (CHARACTERS.get(scheme), body_limit or None, 100_000) if limit)
    if title_limit > 0:
        title = _cut(title, title_limit)
    else:
        title = _cut(title, max(SHORTEST, most // 2))
        most = max(SHORTEST, most - len(title) - 2)
    body, _, link = body.rpartition("\n") if body.rpartition("\n")[2].startswith(LINE) else (body, "", "")
    most -= len(link) + bool(link)
    fitted = _shortened(body, most)
    in_bytes = BYTES.get(scheme, 0)
    while in_bytes and (over := len(fitted.encode()) + len(link) + 1 - in_bytes) > 0:
        most = min(most, len(fitted)) - max(1, over // 4)
        fitted = _shortened(body, most)
    return title, f"{fitted}\n{link}" if link else fitted


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _shortened(body: str, most: int) -> str:
    """Return the first lines, and where the rest is, in at most so many characters."""
    if len(body) <= most:
        return body
    lines = body.splitlines()
    for kept in range(len(lines) - 1, 0, -1):
        end = f"\n… and {len(lines) - kept} more lines: `make status`"
        text = "\n".join(lines[:kept]).rstrip()
        if len(text) + len(end) <= most:
            return text + end
    end = "… `make status`"
    return _cut(lines[0], most - len(end) - 1) + " " + end
