"""The options of `compare` and `plan`: one table, from which the command line and its help are made."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from inweights.cli.option_table import Table, TableOption, given_values
from inweights.cli.values import pairs, split, with_breaks
from inweights.types import UserError


def _as_pairs(form: str) -> Callable[[Any], Any]:
    return lambda given: pairs(given, form)


def _patterns(given: list[str]) -> list[str]:
    from inweights.study.spec import listed

    return [each for text in given for each in listed("patterns", with_breaks(text))]


def _commas(given: str) -> list[str]:
    return given.split(",")


OPTIONS: Table = {
    "model": TableOption(list[str], "Folder, GGUF file, hub or short name; @bf16 sets a dtype; repeatable."),
    "task": TableOption(list[str], "rte, mnli, qqp, cola, sst2, trec, made-...; commas or repeated.", value=split),
    "data": TableOption(Path, "Folder with one folder per task; without it a hub is asked.", value=str),
    "methods": TableOption(list[str], "Such as icl,pbft+lora; all that run on the model if not given.", value=split),
    "shots": TableOption(list[str], "Labelled examples in total, such as 16,32."),
    "shots_per_label": TableOption(list[str], "The same, counted per label."),
    "seeds": TableOption(int, "Draws of examples."),
    "patterns": TableOption(
        list[str],
        'Names of the task\'s patterns, such as minimal,review, or all; or a text, such as "{q1} {q2} same?"; repeatable. '
        "Each is compared; with --tune the best one is chosen on the shots.",
        ("--patterns", "--pattern", "--pattern-name"),
        _patterns,
    ),
    "chat": TableOption(str, "Use the model's chat template: on, off or auto (for patterns given as texts)."),
    "preset": TableOption(str, "A published protocol: mosbach2023."),
    "train": TableOption(Path, "JSONL, CSV, TSV or Parquet.", value=str),
    "test": TableOption(Path, "In-domain evaluation set.", value=str),
    "ood": TableOption(list[str], "NAME=FILE, an out-of-domain set; repeatable.", value=_as_pairs("--ood NAME=FILE")),
    "unlabelled": TableOption(Path, "In-domain inputs without labels, for distillation.", value=str),
    "answer_prefix": TableOption(str, "What stands before the label word.", value=with_breaks),
    "labels": TableOption(str, "Label names in order, or words for them: no,yes.", value=_commas),
    "verbalizer": TableOption(str, "Words for the labels, where they are not the names.", value=_commas),
    "columns": TableOption(
        list[str], "FIELD=COLUMN, such as label=gold; repeatable.", value=_as_pairs("--columns FIELD=COLUMN")
    ),
    "set": TableOption(
        list[str],
        "METHOD.SETTING=VALUE, such as pbft+lora.update.rank=4, or SETTING=VALUE for all that have it.",
        value=_as_pairs("--set METHOD.SETTING=VALUE"),
    ),
    "tune": TableOption(str, "Choose learning rate and pattern by held-out shots: holdout or kfold."),
    "limit": TableOption(int, "Maximum number of examples scored of each set."),
    "steps": TableOption(int, "Maximum number of optimizer steps."),
    "dtype": TableOption(str, "fp32, bf16 or fp16."),
    "device": TableOption(str, "cpu, cuda, cuda:1, mps."),
    "batch_tokens": TableOption(int, "Tokens in one pass when scoring."),
    "isolated": TableOption(bool, "Train every seed alone; else they share passes.", ("--isolated",)),
    "autocast": TableOption(str, "Train in bf16 or fp16, with the weights as they are."),
    "checkpointing": TableOption(bool, "Run blocks again in the backward pass, to save memory.", ("--checkpointing",)),
}


def spec_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """The keys and values of a spec, from the given options."""
    values = given_values(OPTIONS, given)
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
