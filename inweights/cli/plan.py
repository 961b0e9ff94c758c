"""`inweights plan`: predicted time and memory of a comparison, run by run, and what would make it fit."""

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from inweights.cli.compare import compare
from inweights.cli.option_table import takes_options
from inweights.cli.study_options import OPTIONS


@takes_options(OPTIONS)
def plan(
    file: Annotated[Path | None, Argument(help="A study as YAML: the same keys as the options.")] = None,
    out: Annotated[Path | None, Option(help="The study's folder; runs that it has are not repeated.")] = None,
    **options: Any,
) -> None:
    """Predict the time and memory of every run of `inweights compare` with the same options.

    No weights are read and nothing is run. What does not fit in memory is named, with what takes most of it.

    Example:

      inweights plan --task rte --data data/ --model gpt2 --shots 16,32 --seeds 5
    """
    compare(file, out, dry_run=True, **options)
