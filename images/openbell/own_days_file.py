"""The user's own closures and early closes, as a file of the control space: written by commands, followed by loops and supervisor."""

from collections.abc import Mapping
from pathlib import Path

from openbell import calendars, foreign_files
from openbell.calendars import OwnDays
from openbell.calendars.own_days import JSON, OwnDaysError, as_json, parse
from openbell.foreign_files import ForeignFileError


def own_days_path(root: Path) -> Path:
    """Return where the user's own closures and early closes stand for loops and supervisor."""
    return root / JSON


def publish_own_days(root: Path, days: Mapping[str, OwnDays]) -> None:
    """Tell loops and supervisor of these own days, in place of those that were there."""
    foreign_files.write_object(own_days_path(root), root, as_json(days))


class OwnDaysFile:
    """The user's own closures and early closes in the control space, as a process that lives for months follows them."""

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._version: int | None = None  # of the file that was read last; 0 is none
        self.problem = ""  # why the file cannot be used: what it said before goes on to hold

    def reload(self) -> bool:
        """Read the file if it has changed; tell whether the calendars have."""
        if self._root is None:
            return False
        path = own_days_path(self._root)
        try:
            version = path.stat().st_mtime_ns
        except OSError:
            version = 0
        if version == self._version:
            return False
        try:
            days = parse(foreign_files.read_object(path, self._root), JSON) if version else {}
        except (OSError, ForeignFileError, OwnDaysError) as error:
            if isinstance(error, OSError) and foreign_files.is_shortage(error):
                if self._version is None:
                    raise  # nothing is known of them yet
                return False  # it is read again the next time
            self.problem, self._version = str(error), version
            return False
        self._version = version
        self.problem = ""
        return calendars.use(days)
