"""The options of `compare` and `plan`: one table, from which the command line and its help are made."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from inweights.cli.values import pairs, split, with_breaks
from inweights.types import UserError


@dataclass(frozen=True)
class StudyOption:
    """One option, whose name is a key of the spec."""

    kind: Any
    help: str
    flags: tuple[str, ...] = ()
    """Where they are not made of the name."""
    value: Callable[[Any], Any] = lambda given: given
    """From what the shell gives to what the spec takes."""

    @property
    def annotation(self) -> Any:
        return Annotated[self.kind | None, Option(*self.flags, help=self.help)]


def _as_pairs(form: str) -> Callable[[Any], Any]:
    return lambda given: pairs(given, form)


def _patterns(given: list[str]) -> list[str]:
    from inweights.study.spec import listed

    return [each for text in given for each in listed("patterns", with_breaks(text))]


def _commas(given: str) -> list[str]:
    return given.split(",")


OPTIONS: Mapping[str, StudyOption] = {
    "model": StudyOption(list[str], "Folder, GGUF file, hub or short name; @bf16 sets a dtype; repeatable."),
    "task": StudyOption(list[str], "rte, mnli, qqp, cola, sst2, trec, made-...; commas or repeated.", value=split),
    "data": StudyOption(Path, "Folder with one folder per task; without it a hub is asked.", value=str),
    "methods": StudyOption(list[str], "Such as icl,pbft+lora; all that run on the model if not given.", value=split),
    "shots": StudyOption(list[str], "Labelled examples in total, such as 16,32."),
    "shots_per_label": StudyOption(list[str], "The same, counted per label."),
    "seeds": StudyOption(int, "Draws of examples."),
    "patterns": StudyOption(
        list[str],
        'Names of the task\'s patterns, such as minimal,review, or all; or a text, such as "{q1} {q2} same?"; repeatable. '
        "Each is compared; with --tune the best one is chosen on the shots.",
        ("--patterns", "--pattern", "--pattern-name"),
        _patterns,
    ),
    "chat": StudyOption(str, "Use the model's chat template: on, off or auto (for patterns given as texts)."),
    "preset": StudyOption(str, "A published protocol: mosbach2023."),
    "train": StudyOption(Path, "JSONL, CSV, TSV or Parquet.", value=str),
    "test": StudyOption(Path, "In-domain evaluation set.", value=str),
    "ood": StudyOption(list[str], "NAME=FILE, an out-of-domain set; repeatable.", value=_as_pairs("--ood NAME=FILE")),
    "unlabelled": StudyOption(Path, "In-domain inputs without labels, for distillation.", value=str),
    "answer_prefix": StudyOption(str, "What stands before the label word.", value=with_breaks),
    "labels": StudyOption(str, "Label names in order, or words for them: no,yes.", value=_commas),
    "verbalizer": StudyOption(str, "Words for the labels, where they are not the names.", value=_commas),
    "columns": StudyOption(
        list[str], "FIELD=COLUMN, such as label=gold; repeatable.", value=_as_pairs("--columns FIELD=COLUMN")
    ),
    "set": StudyOption(
        list[str],
        "METHOD.SETTING=VALUE, such as pbft+lora.update.rank=4, or SETTING=VALUE for all that have it.",
        value=_as_pairs("--set METHOD.SETTING=VALUE"),
    ),
    "tune": StudyOption(str, "Choose learning rate and pattern by held-out shots: holdout or kfold."),
    "limit": StudyOption(int, "Maximum number of examples scored of each set."),
    "steps": StudyOption(int, "Maximum number of optimizer steps."),
    "dtype": StudyOption(str, "fp32, bf16 or fp16."),
    "device": StudyOption(str, "cpu, cuda, cuda:1, mps."),
    "batch_tokens": StudyOption(int, "Tokens in one pass when scoring."),
    "isolated": StudyOption(bool, "Train every seed alone; else they share passes.", ("--isolated",)),
    "autocast": StudyOption(str, "Train in bf16 or fp16, with the weights as they are."),
    "checkpointing": StudyOption(bool, "Run blocks again in the backward pass, to save memory.", ("--checkpointing",)),
}


def spec_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keys and values of a spec, of the options that were given."""
    values = {name: OPTIONS[name].value(each) for name, each in given.items() if each not in (None, [], "")}
    if "shots" in values and "shots_per_label" in values:
        raise UserError("give either --shots or --shots-per-label, not both")
    if "shots_per_label" in values:
        values |= {"shots": values.pop("shots_per_label"), "shots_mean": "per-label"}
    return {**values, **({"shots": _numbers(values["shots"])} if "shots" in values else {})}


def _numbers(values: list[str]) -> list[int]:
    try:
        return [int(each) for each in split(values) or []]
    except ValueError as error:
        raise UserError(f"--shots {','.join(values)}: expected integers, such as 16,32") from error


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the table's options in the place of its `**options`, which is what typer reads."""
    parameters = inspect.signature(command).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [each.replace(kind=keyword) for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD]
    table = [inspect.Parameter(name, keyword, default=None, annotation=each.annotation) for name, each in OPTIONS.items()]
    command.__signature__ = inspect.Signature([*own, *table])  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in [*own, *table]}
    return command
