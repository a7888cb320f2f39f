"""The post and the sender's process: real sends to a real server, one that hangs, secrets that stay secret."""

import os
import signal
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.supervisor.alerts.model import Message
from openbell.supervisor.alerts.sender_client import SenderClient, check_channels
from openbell.supervisor.alerts.sender_process import hide
from openbell.supervisor.alerts.settings import Channel
from tests.unit.supervisor.alerts.webhook import Hook, wait_until

NEWS = Message("alert", "critical", "CRITICAL: alpha missed a slot", "What: alpha\nDo: this")
TOKEN = "s3cr3t-t0k3n"


def test_a_message_arrives_as_it_is(webhook: Hook, post: SenderClient) -> None:
    """Title, lines and kind reach the service."""
    sent = post.send(Channel("hook", webhook.url("ok/a")), NEWS)
    assert sent.error == ""
    assert sent.handed_at is not None
    (received,) = webhook.received["ok/a"]
    assert (received["title"], received["message"], received["type"]) == (NEWS.title, NEWS.body, "failure")


def test_a_channel_that_asks_for_emojis_gets_them(webhook: Hook, post: SenderClient) -> None:
    """Their table is loaded for it alone, and again for its next message."""
    for number in range(2):
        path = f"ok/emojis-{number}"
        message = Message("alert", "critical", "Oh :smile:", "What: a :rocket: bot")
        assert post.send(Channel("hook", f"{webhook.url(path)}&emojis=yes"), message).error == ""
        (received,) = webhook.received[path]
        assert (received["title"], received["message"]) == ("Oh 😄", "What: a 🚀 bot")


@pytest.mark.parametrize(
    "path,said",
    [
        ("fail", "error=500"),
        ("fail", "not today, says the service"),
        ("refuse", "error=401"),
        ("enough", "error=429"),
    ],
)
def test_a_failure_says_why(webhook: Hook, post: SenderClient, path: str, said: str) -> None:
    """What Apprise knows of it is the reason."""
    sent = post.send(Channel("hook", webhook.url(f"{path}/{TOKEN}")), NEWS)
    assert said in sent.error
    assert TOKEN not in sent.error


def test_a_service_that_hangs_is_given_up(webhook: Hook) -> None:
    """After the limit, and the reason says so."""
    with closing(SenderClient(lambda: datetime.now(UTC), limit=3.0)) as post:
        sent = post.send(Channel("hook", webhook.url(f"hang/{TOKEN}")), NEWS)
    assert "no answer within 3 s" in sent.error
    assert TOKEN not in sent.error


def test_the_only_channel_is_served_without_a_child(webhook: Hook) -> None:
    """By the process that has Apprise, one message after the other; one that hangs ends that process, and the next starts it anew."""
    known = {"json": "apprise.plugins.custom_json"}
    with closing(SenderClient(lambda: datetime.now(UTC), limit=8.0, idle=60.0, modules=known, alone=True)) as post:
        hanging = Channel("hook", webhook.url("hang"))
        sending = threading.Thread(target=post.send, args=(hanging, NEWS))
        sending.start()
        wait_until(lambda: webhook.received["hang"], "the send to begin", 30)
        process = post._process
        assert process is not None
        assert not Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().strip()
        sending.join()
        assert process.wait(30) == -signal.SIGALRM
        for number in range(2):
            assert post.send(Channel("hook", webhook.url(f"ok/{number}")), NEWS).error == ""
            assert len(webhook.received[f"ok/{number}"]) == 1


def test_a_service_that_is_not_there(post: SenderClient) -> None:
    """The reason is the network's, not only Apprise's word that there was one."""
    sent = post.send(Channel("hook", f"json://127.0.0.1:1/{TOKEN}"), NEWS)
    assert "refused" in sent.error
    assert TOKEN not in sent.error


def test_a_channel_that_hangs_delays_no_other(webhook: Hook) -> None:
    """While one waits for its limit, others are served."""
    with closing(SenderClient(lambda: datetime.now(UTC), limit=60.0)) as post:
        hanging = threading.Thread(target=post.send, args=(Channel("dead", webhook.url("hang")), NEWS))
        hanging.start()
        wait_until(lambda: webhook.received["hang"], "the hanging send to begin", 30)
        for number in range(5):
            assert post.send(Channel("hook", webhook.url(f"ok/{number}")), NEWS).error == ""
        assert hanging.is_alive(), "the others were served before it was given up"
        webhook.let_go.set()
        hanging.join()


def test_a_sender_that_died_is_replaced(webhook: Hook, post: SenderClient) -> None:
    """A kill -9 of the sender's process costs no message."""
    channel = Channel("hook", webhook.url("ok"))
    assert post.send(channel, NEWS).error == ""
    assert post._process is not None
    os.kill(post._process.pid, signal.SIGKILL)
    assert post.send(channel, NEWS).error == ""
    assert len(webhook.received["ok"]) == 2


def test_a_machine_without_processes_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that cannot be started is a failed delivery, not the end of the watch."""

    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("openbell.supervisor.alerts.sender_client.subprocess.Popen", refuse)
    with closing(SenderClient(lambda: datetime.now(UTC), limit=1.0)) as post:
        post.warm()
        assert "could not be started" in post.send(Channel("hook", "json://127.0.0.1:1/x"), NEWS).error


def test_a_sender_without_work_ends_by_itself(webhook: Hook) -> None:
    """Apprise's memory is given back when nothing has been sent for a while, and the next message starts it anew."""
    with closing(SenderClient(lambda: datetime.now(UTC), limit=3.0, idle=0.2)) as post:
        channel = Channel("hook", webhook.url("ok"))
        assert post.send(channel, NEWS).error == ""
        process = post._process
        assert process is not None
        wait_until(lambda: process.poll() is not None, "the sender to end", 30)
        assert post.send(channel, NEWS).error == ""
        assert len(webhook.received["ok"]) == 2


def test_a_sender_that_is_about_to_end_waits_anew_for_what_is_about_to_come(webhook: Hook) -> None:
    """Or the message, a second later, would have to wait for another one to start."""
    idle = 2.0
    with closing(SenderClient(lambda: datetime.now(UTC), limit=3.0, idle=idle)) as post:
        assert post.send(Channel("hook", webhook.url("ok")), NEWS).error == ""
        time.sleep(idle * 0.6)
        post.warm()
        warmed, process = time.monotonic(), post._process
        assert process is not None
        wait_until(lambda: process.poll() is not None, "the sender to end", 30)
        assert time.monotonic() - warmed > idle * 0.8


def test_a_plugin_that_is_known_is_loaded_before_the_message_comes(webhook: Hook) -> None:
    """By the process that forks the senders: each of them has it at once."""
    known = {"json": "apprise.plugins.custom_json"}
    with closing(SenderClient(lambda: datetime.now(UTC), limit=10.0, modules=known)) as post:
        post.warm()
        assert post._process is not None
        loaded = Path(f"/proc/{post._process.pid}/maps")
        # A library that urllib3 imports, and so only the plugins do.
        wait_until(lambda: "/_queue." in loaded.read_text(), "the plugin's libraries", 30)
        assert post.send(Channel("hook", webhook.url("ok")), NEWS).error == ""


def test_neither_arguments_nor_environment_hold_a_secret(webhook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL reaches the sender's process over its socket alone."""
    url = webhook.url(f"hang/{TOKEN}")
    monkeypatch.setenv("OPENBELL_ALERT_URLS", url)
    with closing(SenderClient(lambda: datetime.now(UTC), limit=60.0, idle=60.0)) as post:
        sending = threading.Thread(target=post.send, args=(Channel("hook", url), NEWS))
        sending.start()
        wait_until(lambda: webhook.received[f"hang/{TOKEN}"], "the send to begin", 30)
        assert post._process is not None
        children = Path(f"/proc/{post._process.pid}/task/{post._process.pid}/children").read_text().split()
        assert children, "the child that sends"
        for pid in [str(post._process.pid), *children]:
            for file in ("cmdline", "environ"):
                assert TOKEN not in Path(f"/proc/{pid}/{file}").read_text(errors="replace")
        webhook.let_go.set()
        sending.join()


@pytest.mark.parametrize("url", [f"nosuchservice://{TOKEN}", f"tgram://{TOKEN}", "json://", f"mailtos://{TOKEN}"])
def test_a_url_that_apprise_does_not_take(post: SenderClient, url: str) -> None:
    """It is found without sending anything, and its address is not shown."""
    said = post.check(Channel("phone", url))
    assert said
    assert TOKEN not in said
    assert "\n" not in said


def test_a_url_that_apprise_takes(webhook: Hook, post: SenderClient) -> None:
    """Nothing is sent by a check."""
    assert post.check(Channel("hook", webhook.url("ok"))) == ""
    assert not webhook.received


@pytest.mark.parametrize(
    "url,text,expected",
    [
        ("tgram://12345:AAbbCC/chat99", "POST /bot12345:AAbbCC/send", "POST /bot***:***/send"),
        ("ntfy://my-topic", "404 for https://ntfy.sh/my-topic", "404 for https://ntfy.sh/***"),
        ("mailtos://me:pass%21word@mail.example.org?to=you", "bad pass!word at mail.example.org", "bad *** at mail.example.org"),
        ("json://localhost:8080/hooks/xyz", "http://localhost:8080/hooks/xyz gave 500", "http://localhost:8080/***/xyz gave 500"),
        ("slack://T0001/B0002/secret3", "T0001/B0002/secret3", "***/***/***"),
    ],
)  # fmt: skip
def test_what_could_be_a_token_is_hidden(url: str, text: str, expected: str) -> None:
    """Every part of a URL that could be one, quoted or not; the service's host is left, for it says which it is."""
    assert hide(text, url) == expected


def test_the_wrong_plugin_is_not_used(webhook: Hook, post: SenderClient) -> None:
    """The name of a plugin only saves time: where it does not take the URL, Apprise looks for one that does."""
    post.modules["json"] = "apprise.plugins.ntfy"
    assert post.send(Channel("hook", webhook.url("ok")), NEWS).error == ""
    assert post.modules["json"] == "apprise.plugins.custom_json"


def test_the_check_of_the_channels_finds_their_plugins() -> None:
    """So the first alert loads one plugin and not all of them."""
    assert check_channels([Channel("hook", "json://127.0.0.1:1/x")]) == {"json": "apprise.plugins.custom_json"}
