"""`inweights eval OUT --test FILE`: the accuracy of an export on a labelled file, overall and by label."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from typer import Argument, Option

from inweights.cli.predict import Format, print_fallbacks
from inweights.cli.values import pairs
from inweights.types import Example, Outcome, Prompt, UserError


def evaluate(
    folder: Annotated[Path, Argument(metavar="OUT", help="A folder that `best --export` wrote.")],
    test: Annotated[Path, Option(help="JSONL, CSV, TSV or Parquet with a label column; `-`: JSONL on standard input.")],
    columns: Annotated[list[str] | None, Option(metavar="FIELD=COLUMN", help="Such as label=gold; repeatable.")] = None,
    model: Annotated[str | None, Option(help="The place of the base model, if it has moved.")] = None,
    format: Annotated[Format, Option(help="How to print.")] = Format.text,
) -> None:
    """Print accuracy, Matthews correlation, and the accuracy on each label.

    Example: inweights eval out/ --test test.jsonl --columns label=gold
    """
    from inweights.exports import load

    artifact = load(folder, model)
    given = pairs(columns, "--columns FIELD=COLUMN") or {}
    examples = _standard_input(artifact.prompt, given) if str(test) == "-" else _read(test, artifact.prompt, given)
    gold = tuple(artifact.prompt.labels[each.label] for each in examples if each.label is not None)
    labels = artifact.prompt.labels
    answers = tuple(labels[i] for i in artifact.readout(examples).argmax(-1).tolist())
    scores = tuple(float(answer == right) for answer, right in zip(answers, gold, strict=True))
    found = figures(Outcome("in-domain", scores, answers, gold), labels)
    print(json.dumps(found, ensure_ascii=False) if format is Format.json else _table(found))
    print_fallbacks(artifact.readout.fallbacks(examples), len(examples))


def figures(outcome: Outcome, labels: Sequence[str]) -> dict[str, Any]:
    """Accuracy with its 95 % interval, MCC, the share of the commonest label, and accuracy label by label."""
    from inweights.report.statistics import accuracy, confusion, majority, mcc, over_seeds

    interval = over_seeds([accuracy(outcome)], len(outcome.gold))
    counts = confusion(outcome, labels)
    return {
        "examples": len(outcome.gold),
        "accuracy": interval.mean,
        "interval": [interval.low, interval.high],
        "mcc": mcc(outcome),
        "majority": majority(outcome),
        "labels": {
            name: {"examples": sum(row), "accuracy": row[index] / sum(row) if any(row) else None}
            for index, (name, row) in enumerate(zip(labels, counts, strict=True))
        },
    }


def _read(path: Path, prompt: Prompt, given: Mapping[str, str]) -> list[Example]:
    """Spellings of labels in the file: their names, their words or, if no name is a number, their numbers."""
    from inweights.tasks.columns import detect
    from inweights.tasks.examples import examples
    from inweights.tasks.rows import read_rows

    names = {name: index for index, name in enumerate(prompt.labels)}
    words = {word: index for index, word in enumerate(prompt.verbalizer)}
    numbers = {str(index): index for index in names.values()} if not any(name.isdigit() for name in names) else {}
    rows = read_rows(path)
    # In the order of the names, so that an error lists these first.
    spelled = {**names, **words, **numbers, **names}
    return examples(path, rows, detect(rows, path, prompt.field_names, given), spelled)


def _standard_input(prompt: Prompt, given: Mapping[str, str]) -> list[Example]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "stdin.jsonl"
        try:
            path.write_text(sys.stdin.read(), encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"standard input is not UTF-8 text ({error.reason}): convert it, or give a file") from error
        try:
            return _read(path, prompt, given)
        except UserError as error:
            raise UserError(str(error).replace(str(path), "standard input")) from error


def _table(found: Mapping[str, Any]) -> str:
    low, high = found["interval"]
    lines = [
        f"accuracy {found['accuracy']:.3f} [{low:.3f}, {high:.3f}] on {found['examples']:,} examples, "
        f"MCC {found['mcc']:.3f}; always the commonest label: {found['majority']:.3f}"
    ]
    for name, each in found["labels"].items():
        accuracy = "none" if each["accuracy"] is None else f"{each['accuracy']:.3f}"
        lines.append(f"  {name}: {accuracy} of {each['examples']:,}")
    return "\n".join(lines)
