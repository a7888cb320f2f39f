"""What a strategy's loop answers to what people want of it: a file in its journal's folder, which no one else writes.

Desired state (`control.py`) is read-only to strategies. That a halt was seen, which requests were taken and which bots a
loop has paused by itself is told here, so that a command or the page can read it back.
"""

from collections.abc import Mapping
from pathlib import Path

from openbell import foreign_files
from openbell.control import MOST_REQUESTS, Control, Halt, Pause
from openbell.journal import instant, stamp
from openbell.records import dataclass, field

FILE = "answers.json"


@dataclass(frozen=True)
class OwnPause:
    """A pause that a loop made by itself. It holds until the bot is resumed: no clock can end it too early or too late."""

    pause: Pause
    resumed: str  # the resume that was the newest when it was made


@dataclass(frozen=True)
class Answers:
    """What one boot of a loop has answered last."""

    boot_id: str = ""
    halt: Halt | None = None  # the halt that it obeys
    requests: tuple[str, ...] = ()  # ids of those that it has taken, and that may still lie there
    paused: Mapping[str, OwnPause] = field(default_factory=dict)  # the bots that it has paused by itself


def read(folder: Path) -> Answers:
    """Return the answers in a strategy's journal folder; none if there are none that can be read.

    OSError if this process is out of descriptors or memory: then nothing is known of them.
    """
    try:
        content = foreign_files.read_object(folder / FILE, folder.parent)
    except OSError as error:
        if foreign_files.is_shortage(error):
            raise
        return Answers()
    said, paused, requests = content.get("halt"), content.get("paused"), content.get("requests")
    halt = None
    if isinstance(said, dict) and (since := instant(said.get("since"))):
        halt = Halt(since, str(said.get("by", "")), str(said.get("reason", "")), said.get("exits") is True)
    pauses = {bot: _pause(one) for bot, one in paused.items()} if isinstance(paused, dict) else {}
    return Answers(
        str(content.get("boot_id", "")),
        halt,
        tuple(map(str, requests[-MOST_REQUESTS:])) if isinstance(requests, list) else (),
        {bot: pause for bot, pause in pauses.items() if pause is not None},
    )


def write(folder: Path, answers: Answers) -> None:
    """Replace the answers in a strategy's journal folder; they survive a power cut. OSError if that cannot be done."""
    halt = answers.halt
    content: dict[str, object] = {
        "boot_id": answers.boot_id,
        "halt": {"since": stamp(halt.since), "by": halt.by, "reason": halt.reason, "exits": halt.exits}
        if halt
        else None,
        "requests": list(answers.requests),
        "paused": {
            bot: {
                "since": stamp(own.pause.since),
                "until": stamp(own.pause.until) if own.pause.until else None,
                "by": own.pause.by,
                "reason": own.pause.reason,
                "resumed": own.resumed,
            }
            for bot, own in answers.paused.items()
        },
    }
    foreign_files.write_object(folder / FILE, folder.parent, content)


def pause_of(bot: str, control: Control, answers: Answers) -> Pause | None:
    """Return the pause of a bot, expired or not: what people asked for, or what its loop did by itself since they resumed it."""
    asked, own = control.paused(bot), answers.paused.get(bot)
    if own is None or not control.may_hold(bot, own.resumed):
        return asked
    if own.pause.until is not None and asked is not None and asked.since > own.pause.since:
        return asked
    return asked if asked is not None and asked.covers(own.pause.since) and asked.until is None else own.pause


def _pause(said: object) -> OwnPause | None:
    since = instant(said.get("since")) if isinstance(said, dict) else None
    if not isinstance(said, dict) or since is None:
        return None
    until = instant(said.get("until"))
    pause = Pause(since, until, str(said.get("by", "openbell")), str(said.get("reason", "")))
    return OwnPause(pause, str(said.get("resumed", "")))
