"""Secrets in text, in the forms that libraries give them."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from openbell.redaction import Redaction

SECRETS = ["sk-live+0123/456=", 'päss wörd&"quoted"\'<x>', "line one\nline two\\n", "plain123", "ключ-от-счёта"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda secret: secret, id="as it is"),
        pytest.param(lambda secret: f"{secret}\r\n", id="in a line"),
        pytest.param(lambda secret: quote(secret, safe=""), id="percent-encoded"),
        pytest.param(quote, id="percent-encoded in a path"),
        pytest.param(quote_plus, id="percent-encoded in a form"),
        pytest.param(lambda secret: quote(quote(secret, safe=""), safe=""), id="percent-encoded twice"),
        pytest.param(json.dumps, id="JSON"),
        pytest.param(lambda secret: json.dumps(secret, ensure_ascii=False), id="JSON with letters"),
        pytest.param(repr, id="repr"),
        pytest.param(html.escape, id="HTML"),
        pytest.param(lambda secret: secret.encode().hex(), id="hex"),
    ],
)
def test_a_secret_is_cut_out(secret: str, written: "object") -> None:
    """Nothing of it stays but the mark, whatever wrote it."""
    assert callable(written)
    told = Redaction([secret])(f"error at https://host/x?key={written(secret)}&b=1")
    assert told.startswith("error at https://host/x?key=")
    assert "[secret]" in told
    for part in [written(secret), *secret.splitlines()]:
        assert part not in told


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "someone@example.com"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_in_base64_is_cut_out(secret: str, user: str, encode: "object") -> None:
    """Also in the pairs of Basic authentication, where it begins at any place of a group of four."""
    assert callable(encode)
    header = encode(f"{user}:{secret}".encode()).decode()
    told = Redaction([secret])(f"Authorization: Basic {header}")
    assert "[secret]" in told
    left = told.removeprefix("Authorization: Basic ").replace("[secret]", "")
    assert len(left) <= len(base64.b64encode(f"{user}:".encode())) + 4


def test_a_text_without_secrets_stays() -> None:
    """Nothing else is cut out, and a secret that is too short is none."""
    assert Redaction(["12345", ""])("12345 shares of AAPL") == "12345 shares of AAPL"
    assert Redaction(["secret-key"])("c2VjcmV0 and %73") == "c2VjcmV0 and %73"
