"""`inweights compare`: run every method on the same examples, measure, report."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Exit, Option

from inweights.cli.option_table import takes_options
from inweights.cli.study_options import OPTIONS, spec_values
from inweights.cli.values import as_path
from inweights.types import FAILED
from inweights.wording import counted

if TYPE_CHECKING:
    from inweights.study import Study
    from inweights.study.planned import Loaded
    from inweights.types import Weights

    Load = Callable[[Weights], Loaded]


@takes_options(OPTIONS)
def compare(
    file: Annotated[Path | None, Argument(help="A study as YAML: the same keys as the options.")] = None,
    out: Annotated[Path | None, Option(help="The study's folder; runs that it has are not repeated.")] = None,
    dry_run: Annotated[
        bool,
        Option("--dry-run", help="Print every run with predicted time and memory; run nothing."),
    ] = False,
    retry_failed: Annotated[bool, Option("--retry-failed", help="Repeat runs that failed.")] = False,
    **options: Any,
) -> None:
    """Run every method on the same examples, measure, and report which one pays.

    Without arguments: the embedded model on made tasks, offline.

    Examples:

      inweights compare --task rte --data data/ --model gpt2 --shots 16,32 --seeds 5

      inweights compare --train my.jsonl --test test.jsonl --ood paws=ood.jsonl --pattern "{q1} {q2} same?" --labels no,yes
    """
    study, load = _prepared(file, spec_values(options), out)
    if dry_run:
        print(study.plan())
        return
    _run(study, load, retry_failed)


def _prepared(file: Path | None, given: dict[str, Any], out: Path | None) -> tuple["Study", "Load"]:
    from inweights.study.api import study_of
    from inweights.study.grid import tasks_of
    from inweights.study.loading import load
    from inweights.study.spec import DEMO, spec_of
    from inweights.study.yaml_file import read_yaml

    values = {**(read_yaml(file) if file else {}), **given}
    folder = out or as_path(values.pop("out", None))
    spec = spec_of(values or DEMO, str(file or "the command line"))
    tasks, detected = tasks_of(spec)
    if folder is None:
        names = [*(task.name for task in tasks[:3]), Path(spec.model[0]).name]
        folder = Path("studies") / (file.stem if file else "-".join(names))
    study = study_of(spec, tasks, folder)
    for line in [*detected, *(f"left out: {name}: {reason}" for name, reason in study.left_out.items())]:
        print(line)

    def shown(weights: "Weights") -> "Loaded":
        loaded = load(weights, spec.device)
        card = loaded.model.card
        print(f"{weights}: {card.architecture}, {card.parameters:,} parameters, {card.dtype} on {card.device}", flush=True)
        if any(each.prompt.chat and each.run.weights == weights for each in study.settings):
            print(f"{weights}: prompts are read through its chat template; --chat off reads them as plain text", flush=True)
        if card.slow_path:
            print(card.slow_path, flush=True)
        return loaded

    return study, shown


def _run(study: "Study", load: "Load", retry_failed: bool) -> None:
    from inweights.report import terminal, write_report
    from inweights.report.hints import constant_answers
    from inweights.study.progress import watching

    retried = FAILED if retry_failed else ()
    to_do = len(study.missing(retried))
    print(f"{study.folder}: {counted(len(study.settings), 'run')}, {len(study.settings) - to_do} done already", flush=True)
    try:
        with watching(study, to_do) as watch:
            study.run(load, watch, retried)
    except KeyboardInterrupt:
        print(f"\nstopped; what is done is in {study.folder}: give the same command again to go on")
        raise
    records = study.records
    print(terminal(records))
    for line in constant_answers(records, {each.task.name: len(each.task.prompts) for each in study.settings}):
        print(line)
    print(write_report(study.folder)["html"])
    if any(record.status != "ok" for record in records):
        raise Exit(1)
