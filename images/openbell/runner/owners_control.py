"""Desired state as the loop that owns its strategy sees it: in PostgreSQL, with the answers where the next owner finds them."""

from collections.abc import Callable
from pathlib import Path

from openbell import answers
from openbell.control import Halt
from openbell.postgres.control import PostgresControl
from openbell.runner.loop_control import LoopControl


class OwnersControl(LoopControl):
    """The control of one boot of a loop, for as long as it owns its strategy."""

    def __init__(
        self,
        root: Path,
        strategy: str,
        folder: Path,
        boot_id: str,
        wanted: PostgresControl,
        keep: Callable[[str], None],
    ) -> None:
        """Read the answers of the owner before in `folder`, the strategy's journal folder; keep: stores new ones for the next."""
        super().__init__(root, strategy, folder, boot_id)
        self._wanted = wanted
        self._keep = keep

    def wake_on_change(self) -> None:
        """Do nothing: the database is asked every second."""

    def halted(self) -> Halt | None:
        """Return the halt of all strategies, or None."""
        return self._wanted.halted()

    def requests_version(self) -> int:
        """Return a number that changes whenever a request comes or goes."""
        return self._wanted.requests_version()

    def _answer(self, wanted: answers.Answers) -> None:
        super()._answer(wanted)
        self._keep((self._folder / answers.FILE).read_text())
