"""`inweights compare`: run every method on the same examples, measure, report."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Exit, Option

from inweights.types import FAILED, UserError
from inweights.wording import counted

if TYPE_CHECKING:
    from inweights.study import Study
    from inweights.study.planned import Loaded
    from inweights.types import Weights

    Load = Callable[[Weights], Loaded]

GRID, OWN, RUNS = "What to compare", "Your own data", "How to run"


def compare(
    file: Annotated[Path | None, Argument(help="A study as YAML: the same keys as the options.")] = None,
    model: Annotated[
        list[str] | None,
        Option(help="Folder, GGUF file, hub or short name; @bf16 sets a dtype; repeatable.", rich_help_panel=GRID),
    ] = None,
    task: Annotated[
        list[str] | None,
        Option(help="rte, mnli, qqp, cola, sst2, trec, made-...; commas or repeated.", rich_help_panel=GRID),
    ] = None,
    data: Annotated[
        Path | None, Option(help="Folder with one folder per task; without it a hub is asked.", rich_help_panel=GRID)
    ] = None,
    methods: Annotated[
        list[str] | None,
        Option(help="Such as icl,pbft+lora; all that run on the model if not given.", rich_help_panel=GRID),
    ] = None,
    shots: Annotated[
        list[str] | None, Option(help="Labelled examples in total, such as 16,32.", rich_help_panel=GRID)
    ] = None,
    shots_per_label: Annotated[list[str] | None, Option(help="The same, counted per label.", rich_help_panel=GRID)] = None,
    seeds: Annotated[int | None, Option(help="Draws of examples.", rich_help_panel=GRID)] = None,
    patterns: Annotated[
        list[str] | None,
        Option(
            "--patterns",
            "--pattern",
            "--pattern-name",
            help='Names of the task\'s patterns, such as minimal,review, or all; or a text, such as "{q1} {q2} same?"; '
            "repeatable. Each is compared; with --tune the best one is chosen on the shots.",
            rich_help_panel=GRID,
        ),
    ] = None,
    chat: Annotated[
        str | None,
        Option(help="Use the model's chat template: on, off or auto (for your own pattern).", rich_help_panel=GRID),
    ] = None,
    preset: Annotated[str | None, Option(help="A published protocol: mosbach2023.", rich_help_panel=GRID)] = None,
    train: Annotated[Path | None, Option(help="JSONL, CSV, TSV or Parquet.", rich_help_panel=OWN)] = None,
    test: Annotated[Path | None, Option(help="In-domain evaluation set.", rich_help_panel=OWN)] = None,
    ood: Annotated[
        list[str] | None, Option(help="NAME=FILE, an out-of-domain set; repeatable.", rich_help_panel=OWN)
    ] = None,
    unlabelled: Annotated[
        Path | None, Option(help="In-domain inputs without labels, for distillation.", rich_help_panel=OWN)
    ] = None,
    answer_prefix: Annotated[str | None, Option(help="What stands before the label word.", rich_help_panel=OWN)] = None,
    labels: Annotated[
        str | None, Option(help="Label names in order, or words for them: no,yes.", rich_help_panel=OWN)
    ] = None,
    verbalizer: Annotated[
        str | None, Option(help="Words for the labels, where they are not the names.", rich_help_panel=OWN)
    ] = None,
    columns: Annotated[
        list[str] | None, Option(help="FIELD=COLUMN, such as label=gold; repeatable.", rich_help_panel=OWN)
    ] = None,
    set: Annotated[
        list[str] | None,
        Option(
            help="METHOD.SETTING=VALUE, such as pbft+lora.update.rank=4, or SETTING=VALUE for all that have it.",
            rich_help_panel=RUNS,
        ),
    ] = None,
    tune: Annotated[
        str | None,
        Option(help="Choose learning rate and pattern by held-out shots: holdout or kfold.", rich_help_panel=RUNS),
    ] = None,
    limit: Annotated[int | None, Option(help="Maximum number of examples scored of each set.", rich_help_panel=RUNS)] = None,
    steps: Annotated[int | None, Option(help="Maximum number of optimizer steps.", rich_help_panel=RUNS)] = None,
    dtype: Annotated[str | None, Option(help="fp32, bf16 or fp16.", rich_help_panel=RUNS)] = None,
    device: Annotated[str | None, Option(help="cpu, cuda, cuda:1, mps.", rich_help_panel=RUNS)] = None,
    batch_tokens: Annotated[int | None, Option(help="Tokens in one pass when scoring.", rich_help_panel=RUNS)] = None,
    isolated: Annotated[
        bool | None,
        Option("--isolated", help="Train every seed alone; else they share passes.", rich_help_panel=RUNS),
    ] = None,
    autocast: Annotated[
        str | None, Option(help="Train in bf16 or fp16, with the weights as they are.", rich_help_panel=RUNS)
    ] = None,
    checkpointing: Annotated[
        bool | None,
        Option("--checkpointing", help="Run blocks again in the backward pass, to save memory.", rich_help_panel=RUNS),
    ] = None,
    out: Annotated[
        Path | None, Option(help="The study's folder; what it holds is not done again.", rich_help_panel=RUNS)
    ] = None,
    dry_run: Annotated[
        bool,
        Option("--dry-run", help="Print every run with predicted time and memory; run nothing.", rich_help_panel=RUNS),
    ] = False,
    retry_failed: Annotated[bool, Option("--retry-failed", help="Do runs again that failed.", rich_help_panel=RUNS)] = False,
) -> None:
    """Run every method on the same examples, measure, and report which one pays.

    Without arguments: the embedded model on made tasks, offline.

    Examples:

      inweights compare --task rte --data data/ --model gpt2 --shots 16,32 --seeds 5

      inweights compare --train my.jsonl --test test.jsonl --ood paws=ood.jsonl --pattern "{q1} {q2} same?" --labels no,yes
    """
    from inweights.study.spec import listed

    if shots and shots_per_label:
        raise UserError("give either --shots or --shots-per-label, not both")
    flags: dict[str, Any] = {
        "preset": preset,
        "model": model,
        "task": _split(task),
        "data": _text(data),
        "methods": _split(methods),
        "shots": _numbers(shots or shots_per_label),
        "shots_mean": "per-label" if shots_per_label else None,
        "seeds": seeds,
        "patterns": [each for given in patterns or [] for each in listed("patterns", _breaks(given))] or None,
        "chat": chat,
        "train": _text(train),
        "test": _text(test),
        "ood": _pairs(ood, "--ood NAME=FILE"),
        "unlabelled": _text(unlabelled),
        "answer_prefix": _breaks(answer_prefix),
        "labels": labels.split(",") if labels else None,
        "verbalizer": verbalizer.split(",") if verbalizer else None,
        "columns": _pairs(columns, "--columns FIELD=COLUMN"),
        "set": _pairs(set, "--set METHOD.SETTING=VALUE"),
        "tune": tune,
        "limit": limit,
        "steps": steps,
        "dtype": dtype,
        "device": device,
        "batch_tokens": batch_tokens,
        "isolated": isolated,
        "autocast": autocast,
        "checkpointing": checkpointing,
    }
    given = {key: value for key, value in flags.items() if value is not None}
    study, load = _prepared(file, given, out)
    if dry_run:
        from inweights.study.forecast import as_text, forecast

        print(as_text(forecast(study)))
        return
    _run(study, load, retry_failed)


def _prepared(file: Path | None, given: dict[str, Any], out: Path | None) -> tuple["Study", "Load"]:
    from inweights.study.api import study_of
    from inweights.study.grid import tasks_of
    from inweights.study.loading import load
    from inweights.study.spec import DEMO, spec_of
    from inweights.study.yaml_file import read_yaml

    values = {**(read_yaml(file) if file else {}), **given}
    folder = out or _path(values.pop("out", None))
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
    print(terminal(study.records))
    for line in constant_answers(study.records, {each.task.name: len(each.task.prompts) for each in study.settings}):
        print(line)
    print(write_report(study.folder)["html"])
    if any(record.status != "ok" for record in study.records):
        raise Exit(1)


def _split(values: list[str] | None) -> list[str] | None:
    return [each for value in values for each in value.split(",") if each] if values else None


def _numbers(values: list[str] | None) -> list[int] | None:
    try:
        return [int(each) for each in _split(values) or []] or None
    except ValueError as error:
        raise UserError(f"--shots {','.join(values or [])}: expected integers, such as 16,32") from error


def _pairs(values: list[str] | None, form: str) -> dict[str, str] | None:
    pairs = [value.partition("=") for value in values or []]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise UserError(f"{name}{equals}{value}: expected {form}")
    return {name: value for name, _, value in pairs} or None


def _breaks(text: str | None) -> str | None:
    r"""`\n` as a shell passes it on within quotes is a line break."""
    return None if text is None else text.replace("\\n", "\n").replace("\\t", "\t")


def _path(text: Any) -> Path | None:
    if text is not None and not isinstance(text, str):
        raise UserError(f"out is {text!r}: expected the name of one folder")
    return None if text is None else Path(text)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
