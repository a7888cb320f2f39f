"""Secrets kept out of text, also in the forms that libraries give them: percent-encoded, base64, JSON, HTML.

What this cannot do is in docs/security.md: a secret that a program has changed in another way, such as reversed, split over two
lines or compressed, is not recognized.
"""

import binascii
import json
from collections.abc import Iterable, Iterator

SHORTEST = 6  # characters; what is shorter may be an everyday word, and cutting it out would spoil the text
MARK = "[secret]"
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986
_HTML = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;"))


class Redaction:
    """Replaces secrets, in all their forms, by a mark."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        found = {form for secret in secrets for form in forms(secret)}
        # The longest first: a secret may begin with another one.
        self._forms = tuple(sorted(found, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """Return the text without the secrets."""
        for form in self._forms:
            text = text.replace(form, MARK)
        return text


def forms(secret: str) -> set[str]:
    """Return what a secret may look like in text. A key of several lines is printed line by line."""
    parts = {part for part in (secret, secret.strip(), *secret.splitlines()) if len(part) >= SHORTEST}
    return {form for part in parts for form in _forms(part) if len(form) >= SHORTEST}


def _forms(text: str) -> Iterator[str]:
    yield text
    content = text.encode("utf-8", "surrogatepass")
    for also_plain in (b"", b"/", b" ", b"/ "):  # a path keeps its slashes, a form's space becomes "+"
        encoded = "".join(_percent(byte, also_plain) for byte in content)
        yield encoded
        yield encoded.replace("%", "%25")  # encoded once more, as a redirect's address is
    yield "".join(_percent(byte, b"").lower() if byte not in _UNRESERVED else chr(byte) for byte in content)
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield repr(text)[1:-1]
    html = text
    for character, entity in _HTML:
        html = html.replace(character, entity)
    yield html
    yield content.hex()
    yield content.hex().upper()
    yield from _base64(content)


def _percent(byte: int, also_plain: bytes) -> str:
    if byte in _UNRESERVED or (byte in also_plain and byte != 0x20):
        return chr(byte)
    return "+" if byte == 0x20 and 0x20 in also_plain else f"%{byte:02X}"


def _base64(content: bytes) -> Iterator[str]:
    """Yield the characters that a text's base64 has wherever the secret stands in it, as in "user:secret".

    Three bytes are four characters, so there are three ways to lie in that; characters that neighbours have a share in are
    not part of it.
    """
    for before, first in ((0, 0), (1, 2), (2, 3)):
        encoded = binascii.b2a_base64(bytes(before) + content, newline=False).decode()
        sure = encoded[first : (before + len(content)) * 8 // 6]
        yield sure
        yield sure.replace("+", "-").replace("/", "_")
