"""What /etc/docker/daemon.json must say, put into what it says already. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.errors import CommandError

FILE = "/etc/docker/daemon.json"
_ROTATION = {"max-size": "10m", "max-file": "3"}


@dataclass(frozen=True)
class Change:
    """A new text of the file, and what it changes, in words."""

    text: str
    words: tuple[str, ...]


def change(text: str | None, *, live_restore: bool) -> Change | None:
    """Return what must change in the file's text (None: there is no file), or None if nothing must.

    What a person wrote there stays. CommandError if it is not what Docker could read.
    """
    before = _read(text)
    after = {**before}
    words = []
    if live_restore and before.get("live-restore") is not True:
        after["live-restore"] = True
        words.append("live-restore on")
    # Another driver (journald, local) has its own limits.
    if before.get("log-driver", "json-file") == "json-file":
        options = before.get("log-opts", {})
        if not isinstance(options, Mapping):
            msg = f"{FILE} there: log-opts: found {json.dumps(options)}; allowed: an object: fix it and try again"
            raise CommandError(msg)
        missing = {key: value for key, value in _ROTATION.items() if key not in options}
        if missing:
            after |= {"log-driver": "json-file", "log-opts": {**options, **missing}}
            words.append("log rotation " + ", ".join(f"{key} {value}" for key, value in missing.items()))
    return Change(json.dumps(after, indent=2) + "\n", tuple(words)) if words else None


def _read(text: str | None) -> Mapping[str, object]:
    if text is None or not text.strip():
        return {}
    try:
        content = json.loads(text)
    except ValueError as error:
        msg = f"{FILE} there is not valid JSON ({error}): fix it and try again; nothing was changed"
        raise CommandError(msg) from None
    if not isinstance(content, Mapping):
        msg = f"{FILE} there: found {type(content).__name__}; allowed: an object: fix it and try again; nothing was changed"
        raise CommandError(msg)
    return content
