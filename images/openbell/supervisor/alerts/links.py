"""Links in messages: each opens one incident, for a limited time, signed with a key of the supervisor's own."""

import hashlib
import hmac
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

KEY_FILE = "link.key"  # in the supervisor's folder
LIFE = timedelta(days=3)
LINE = "Open: "  # what a message's line with a link begins with
_KEY_BYTES = 32
_SIGNATURE = 32  # hexadecimal digits: 128 bits


@dataclass(frozen=True)
class IncidentLinks:
    """Makes and checks links. base: the page's address as readers know it; without one there are no links."""

    folder: Path
    base: str = ""

    def to(self, incident: int, now: datetime) -> str:
        """Return the link to an incident; empty without a base. OSError if there is no key and none can be made."""
        if not self.base:
            return ""
        until = str(int((now + LIFE).timestamp()))
        signature = _signature(self._key() or self.renew(), incident, until)
        return f"{self.base}/incidents/{incident}?{urlencode({'until': until, 'signature': signature})}"

    def permits(self, incident: int, until: str, signature: str, now: datetime) -> bool:
        """Tell whether a link that was made with the present key opens this incident and has not expired."""
        key = self._key()
        if key is None or not (until.isascii() and until.isdigit() and len(until) <= 12):
            return False
        given = signature.encode("utf-8", "replace")
        is_ours = hmac.compare_digest(given, _signature(key, incident, until).encode())
        return is_ours and now.timestamp() < int(until) <= (now + LIFE).timestamp() + 60

    def renew(self) -> bytes:
        """Make a new key, with which no link that was sent before opens anything. OSError if it cannot be stored."""
        key, new = os.urandom(_KEY_BYTES), self.folder / f"{KEY_FILE}.new"
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.folder / KEY_FILE)
        return key

    def _key(self) -> bytes | None:
        try:
            key = (self.folder / KEY_FILE).read_bytes()
        except OSError:
            return None
        return key if len(key) == _KEY_BYTES else None


def base_address(text: str) -> str:
    """Return the address of OPENBELL_URL without its last slash; ValueError if it is none."""
    address = text.strip().rstrip("/")
    if not address:
        return ""
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        msg = f'OPENBELL_URL: found "{text[:100]}"; allowed: the page\'s address such as https://bots.example.org'
        raise ValueError(msg)
    return address


def _signature(key: bytes, incident: int, until: str) -> str:
    return hmac.new(key, f"incident {incident} until {until}".encode(), hashlib.sha256).hexdigest()[:_SIGNATURE]
