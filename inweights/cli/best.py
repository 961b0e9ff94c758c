"""`inweights best DIR`: the best method within the user's limits, and its export."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option

from inweights.cli.predict import Format
from inweights.types import UserError

if TYPE_CHECKING:
    from inweights.report import Choice


class Objective(StrEnum):
    """The sets on which accuracy is compared."""

    in_domain = "in-domain"
    ood = "ood"
    worst = "worst"


def best(
    folder: Annotated[Path, Argument(metavar="DIR", help="A study's folder.")],
    objective: Annotated[Objective, Option(help="The sets to compare on; worst: each method's worst set.")] = (
        Objective.in_domain
    ),
    max_memory: Annotated[str | None, Option(help="Peak memory, such as 8GB.")] = None,
    max_latency: Annotated[str | None, Option(help="Time of a query, such as 50ms.")] = None,
    max_adapt_time: Annotated[str | None, Option(help="Time of adapting, such as 2min.")] = None,
    task: Annotated[str | None, Option(help="The task, if the study has several.")] = None,
    model: Annotated[str | None, Option(help="Only this model of the study.")] = None,
    method: Annotated[str | None, Option(help="Only this method: a run of it is chosen, not the winner.")] = None,
    pattern: Annotated[str | None, Option(help="Only runs with the pattern of this name.")] = None,
    shots: Annotated[int | None, Option(help="Only runs with this number of shots.")] = None,
    seed: Annotated[int | None, Option(help="The run of this seed; the median one if not given.")] = None,
    export: Annotated[Path | None, Option(metavar="OUT", help="Export the chosen run to this folder.")] = None,
    format: Annotated[Format, Option(help="How to print.")] = Format.text,
) -> None:
    """Print the most accurate method within the limits, why, and what it ties with; export it with --export.

    Examples:

      inweights best studies/rte --objective ood --max-latency 50ms

      inweights best studies/rte --max-memory 8GB --export out/

      inweights best studies/rte --method pbft+lora --shots 16 --seed 2 --export out/
    """
    from inweights import records
    from inweights.methods import canonical
    from inweights.report import Limits, Wanted, choose, parse_bytes, parse_seconds

    _refuse_learned(folder)
    if export is not None:
        _refuse_occupied(export)
    limits = Limits(
        memory_bytes=parse_bytes(max_memory) if max_memory else None,
        latency_seconds=parse_seconds(max_latency) if max_latency else None,
        adapt_seconds=parse_seconds(max_adapt_time) if max_adapt_time else None,
    )
    wanted = Wanted(task, model, method and canonical(method), pattern, shots, seed)
    choice = choose(records.read_folder(folder), objective.value, limits, wanted)
    if partial := records.progress(folder):
        print(f"note: {partial}", file=sys.stderr)
    print(_as_json(choice) if format is Format.json else _as_text(choice))
    if export is not None:
        _export(folder, choice, export)


def _refuse_learned(folder: Path) -> None:
    from inweights import records

    if records.is_learned(folder):
        raise UserError(
            f"{folder} is the work of a learned context: nothing of it can be exported; "
            f"`inweights report {folder}` shows what was measured"
        )


def _refuse_occupied(export: Path) -> None:
    """Checked before minutes of fitting, not after."""
    from inweights.exports.staging import refuse_occupied

    refuse_occupied(export)


def _export(study: Path, choice: "Choice", export: Path) -> None:
    from inweights.exports import RejectedError
    from inweights.exports.refit import OtherResultError, export_choice, planned_again

    run = choice.record.run
    print(f"fitting {run.method} with {run.shots} shots and seed {run.seed} again", file=sys.stderr)
    try:
        proof = export_choice(choice, *planned_again(study, run), export)
    except (RejectedError, OtherResultError) as error:
        print(f"inweights: nothing was exported: {error}", file=sys.stderr)
        raise Exit(1) from error
    print(f"{export}: {proof}", file=sys.stderr)


def _as_text(choice: "Choice") -> str:
    lines = [f"best: {choice.row.name} on {choice.row.task} with {choice.row.model}", f"why: {choice.why}"]
    lines += [f"tied with: {', '.join(row.name for row in choice.tied) or 'nothing'}"]
    lines += [
        f"warning: it gives one answer to everything on {name} in {count} of {len(choice.row.seeds)} seeds"
        for name, count in choice.row.constant.items()
        if count
    ]
    lines += [f"left out: {each}" for each in choice.excluded]
    return "\n".join(lines)


def _as_json(choice: "Choice") -> str:
    values = {
        "best": choice.row.as_json(),
        "why": choice.why,
        "tied_with": [row.name for row in choice.tied],
        "excluded": list(choice.excluded),
        "seed": choice.record.run.seed,
    }
    return json.dumps(values, ensure_ascii=False)
