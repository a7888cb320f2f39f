"""What ends a command early."""

import errno

_ROOM, _RIGHTS = "make room, and try again", "give it to this user, or name another folder"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
}


class CommandError(Exception):
    """Something that the user can fix; the message is one line that says what, where, and what to do next."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def of_the_machine(error: OSError) -> str:
    """Return in one line what a disk or a folder refuses, with what to do; empty for an error that is a program's."""
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{error.filename or 'a file'}: {error.strerror}: {remedy}" if remedy else ""
