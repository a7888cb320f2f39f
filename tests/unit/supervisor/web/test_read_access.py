"""Who may read the page: all on loopback, beyond it holders of a token."""

import dataclasses

import httpx
import pytest

from openbell.supervisor.web import Readers, WebApp, readers
from tests.unit.supervisor.web.client import TOKEN, Client, ask

EVERYWHERE = "0.0.0.0"  # noqa: S104 - as a user sets it; nothing listens here
READ = "a-token-for-reading"
PATHS = ("/", "/strategies/pulse", "/alerts", "/api/status", "/api/bots/pulse", "/api/openapi.json", "/metrics")
BOTH = Readers((READ, TOKEN))


def page(client: Client, who: Readers = BOTH) -> WebApp:
    """Return the client's page with other readers."""
    return WebApp(dataclasses.replace(client.sources, readers=who))


def log_in(client: Client, typed: str) -> httpx.Response:
    """Send the form with what was typed."""
    body = str(httpx.QueryParams({"token": typed})).encode()
    form = {"content-type": "application/x-www-form-urlencoded"}
    return ask(page(client), "/login", "POST", headers=form, content=body)


@pytest.mark.parametrize("path", PATHS)
def test_nothing_of_strategies_is_shown_without_the_token(client: Client, path: str) -> None:
    """The page shows a form, the API and the metrics say what is missing; a token of either kind opens all."""
    asked = page(client)
    refused = ask(asked, path)
    assert refused.status_code == 401
    assert "pulse" not in refused.text
    assert ask(asked, path, headers={"Authorization": "Bearer something-else-entirely"}).status_code == 401
    for token in (READ, TOKEN):
        assert ask(asked, path, headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_the_health_check_and_the_style_need_no_token(client: Client) -> None:
    """They show nothing of strategies."""
    assert ask(page(client), "/healthz").json().keys() == {"ok", "answers", "idle_s", "has_channel"}
    assert ask(page(client), "/static/page.css").status_code == 200


@pytest.mark.parametrize("typed", [READ, f" {READ}\n", f"\u201c{READ}\u201d", f"'{READ}'"])
def test_the_form_opens_a_session(client: Client, typed: str) -> None:
    """The cookie is for this site alone and no script reads it; it does not hold the token. Quotes around a token are dropped."""
    answer = log_in(client, typed)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert READ not in cookie
    session = {"cookie": cookie.partition(";")[0]}
    assert ask(page(client), "/", headers=session).status_code == 200
    assert ask(page(client, Readers(("another-token-now",))), "/", headers=session).status_code == 401


@pytest.mark.parametrize("typed", ["", "wrong", "ümläut" * 4, "\u201c\u201d", "a" * 3000])
def test_a_wrong_token_is_refused_and_asked_for_again(client: Client, typed: str) -> None:
    """With a sentence that says what is expected."""
    answer = log_in(client, typed)
    assert answer.status_code == 401
    assert "without quotes or spaces" in answer.text
    assert 'name="token"' in answer.text
    assert "set-cookie" not in answer.headers


def test_a_session_reads_and_changes_nothing(client: Client) -> None:
    """A change needs its own token as ever."""
    session = {"cookie": log_in(client, READ).headers["set-cookie"].partition(";")[0]}
    answer = ask(page(client), "/api/bots/pulse", "PATCH", headers=session, json={"paused": False})
    assert answer.status_code == 401
    reader = {"Authorization": f"Bearer {READ}"}
    assert ask(page(client), "/api/bots/pulse", "PATCH", headers=reader, json={"paused": False}).status_code == 401


def test_an_exposed_page_without_a_token_says_what_to_set(client: Client) -> None:
    """Its answer shows nothing, with or without a token."""
    for path in PATHS:
        answer = ask(page(client, Readers(is_exposed=True)), path)
        assert answer.status_code == 403
        assert "OPENBELL_PUBLIC=yes" in answer.text
        assert "pulse" not in answer.text


@pytest.mark.parametrize(
    "environment, change, wanted",
    [
        ({}, "", Readers()),
        ({}, TOKEN, Readers()),
        ({"OPENBELL_BIND": "127.0.0.1", "OPENBELL_LISTEN": "0.0.0.0:8080"}, "", Readers()),
        ({"OPENBELL_BIND": "::1"}, "", Readers()),
        ({"OPENBELL_BIND": EVERYWHERE}, "", Readers(is_exposed=True)),
        ({"OPENBELL_LISTEN": "[::]:8080"}, "", Readers(is_exposed=True)),
        ({"OPENBELL_BIND": EVERYWHERE, "OPENBELL_PUBLIC": "yes"}, "", Readers()),
        ({"OPENBELL_BIND": EVERYWHERE, "OPENBELL_PUBLIC": "no"}, "", Readers(is_exposed=True)),
        ({"OPENBELL_BIND": "10.0.0.5"}, TOKEN, Readers((TOKEN,))),
        ({"OPENBELL_BIND": "10.0.0.5", "OPENBELL_READ_TOKEN": READ}, TOKEN, BOTH),
        ({"OPENBELL_PUBLIC": "yes", "OPENBELL_READ_TOKEN": READ}, "", Readers((READ,))),
    ],
)
def test_the_environment_says_who_may_read(environment: dict[str, str], change: str, wanted: Readers) -> None:
    """The address that other machines reach counts, not the one in the container."""
    assert readers(environment, change) == wanted
