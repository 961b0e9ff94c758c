"""The error that a reader raises for a file that it cannot read."""

from inweights.types import UserError


class RefusedError(UserError):
    """One line with the file, the reason and what to do. Among other files that can be read, the file is skipped."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source} {reason}")
        self.source = source
        self.reason = reason
