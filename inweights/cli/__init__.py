"""The command line: one file per verb, each parsing, calling the library and printing. Errors end here."""

import sys
from collections.abc import Sequence

from inweights.types import NothingFitsError, UserError


def main(argv: Sequence[str] | None = None) -> None:
    """Exit codes: 0 ok, 1 a run failed, 2 a user's mistake, 3 no method keeps within the limits, 130 interrupted."""
    import typer

    from inweights.cli.app import app

    # Taken from typer, because newer versions bring their own click: BadParameter, UsageError, ClickException.
    usage_error: type[Exception] = typer.BadParameter.__mro__[2]
    arguments = [_dashed(argument) for argument in (sys.argv[1:] if argv is None else argv)]
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="inweights", standalone_mode=False)
    except UserError as error:
        _end(str(error), 2)
    except NothingFitsError as error:
        _end(str(error), 3)
    except usage_error as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message())  # type: ignore[attr-defined]
            sys.exit(2)
        _end(error.format_message().rstrip(".").replace("Value error, ", ""), 2)  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    sys.exit(code or 0)


def _end(line: str, code: int) -> None:
    print(f"inweights: {' '.join(line.split())}", file=sys.stderr)
    sys.exit(code)


def _dashed(argument: str) -> str:
    """`--max_memory` is read as `--max-memory`: other tools use both spellings."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value
