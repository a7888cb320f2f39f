"""What ends a command early."""


class CommandError(Exception):
    """Something that the user can fix; the message is one line that says what, where, and what to do next."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
