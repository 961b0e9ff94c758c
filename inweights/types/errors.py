"""Errors by what becomes of them: a message to the user, a record's status, a smaller batch."""


class UserError(ValueError):
    """A mistake of the user's: the command line prints its one line and exits with 2."""


class DivergedError(RuntimeError):
    """Training met a loss that is not finite; the study records it and goes on."""


class NothingFitsError(RuntimeError):
    """No method keeps within the limits the user gave; the command line exits with 3."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, a GPU's or the machine's.

    By name and message: this module imports no torch, and torch has no class of its own for the machine's memory.
    """
    names = {each.__name__ for each in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or "can't allocate memory" in str(error)
