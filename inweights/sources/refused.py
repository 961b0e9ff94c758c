"""What a reader raises for a file that it cannot read."""

from inweights.types import UserError


class RefusedError(UserError):
    """One line: the file, and what is wrong with it and to be done. Beside others that can be read, it is skipped."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source} {reason}")
        self.source = source
        self.reason = reason
