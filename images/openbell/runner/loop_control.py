"""Desired state as a strategy's loop sees it: what people want is read, and what the loop answers is written beside its journal."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from openbell import answers
from openbell.control import FOLDERS, Control, Halt, Pause, Request
from openbell.records import replace
from openbell.runner.loop_lock import READ_REQUESTS


class LoopControl(Control):
    """The control of one boot of a loop."""

    def __init__(self, root: Path, strategy: str, folder: Path, boot_id: str) -> None:
        """folder: the strategy's journal folder. What the loop before has answered still holds."""
        super().__init__(root, strategy)
        self._wanted = Control(root, strategy)  # what people want
        self._folder = folder
        self._boot_id = boot_id
        self._answers = answers.read(folder)
        self._watched: list[int] = []  # folders whose changes wake the loop; open for as long as it lives
        with suppress(OSError):  # in a container they are there, and read-only
            self.prepare()

    def wake_on_change(self) -> None:
        """Let the kernel send READ_REQUESTS when a person asks for something (dnotify); its handler has to be there.

        Where that does not work the loop finds it at its next beat.
        """
        for folder in (self._root, *(self._root / self._strategy / name for name in FOLDERS)):
            with suppress(OSError):
                file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                self._watched.append(file)
                fcntl.fcntl(file, fcntl.F_SETSIG, READ_REQUESTS)
                changes = fcntl.DN_CREATE | fcntl.DN_DELETE | fcntl.DN_RENAME
                fcntl.fcntl(file, fcntl.F_NOTIFY, changes | fcntl.DN_MULTISHOT)

    def close(self) -> None:
        """Listen to no change any more."""
        while self._watched:
            os.close(self._watched.pop())

    def paused(self, bot: str) -> Pause | None:
        """Return the bot's pause, expired or not, whether people asked for it or the loop did."""
        return self._merged(bot)

    def pause(self, bot: str, pause: Pause) -> None:
        """Pause a bot by the loop itself, until the pause ends or a person resumes it."""
        own = answers.OwnPause(pause, self._wanted.resumed(bot))
        self._answer(replace(self._answers, paused={**self._answers.paused, bot: own}))

    def requests(self) -> list[Request]:
        """Return the requests that wait, oldest first."""
        return [one for one in self._wanted.requests() if one.id not in self._answers.requests]

    def done(self, request: Request) -> None:
        """Remember durably that a request was taken: its file stays, and it is not taken twice."""
        lie = {one.id for one in self._wanted.requests()}
        known = tuple(one for one in self._answers.requests if one in lie)
        self._answer(replace(self._answers, requests=(*known, request.id)))

    def acknowledge(self, halt: Halt | None) -> None:
        """Say which halt this loop obeys."""
        if (self._answers.halt, self._answers.boot_id) != (halt, self._boot_id):
            self._answer(replace(self._answers, halt=halt))

    def _merged(self, bot: str) -> Pause | None:
        return answers.pause_of(bot, self._wanted, self._answers)

    def _answer(self, wanted: answers.Answers) -> None:
        wanted = replace(wanted, boot_id=self._boot_id)
        answers.write(self._folder, wanted)
        self._answers = wanted
