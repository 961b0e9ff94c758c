"""`inweights predict OUT "text"`: the label of a text and the probability of each, from any export."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from inweights.types import UserError

if TYPE_CHECKING:
    from inweights.exports import Prediction

BATCH = 256
"""Number of lines of standard input that are scored together."""

Fields = Mapping[str, str]


class Format(StrEnum):
    """How answers are printed."""

    text = "text"
    json = "json"


def predict(
    folder: Annotated[Path, Argument(metavar="OUT", help="A folder that `best --export` wrote.")],
    text: Annotated[
        str | None, Argument(help="The text, where the pattern has one field. Without it, standard input is read.")
    ] = None,
    field: Annotated[list[str] | None, Option(metavar="NAME=VALUE", help="A field of the pattern; once for each.")] = None,
    json_lines: Annotated[bool, Option("--json", help="Standard input has a JSON object of fields in every line.")] = False,
    model: Annotated[str | None, Option(help="The place of the base model, if it has moved.")] = None,
    format: Annotated[Format, Option(help="How to print.")] = Format.text,
) -> None:
    """Print the label of each text, and the probability of every label.

    Examples:

      inweights predict out/ "a gripping film"

      inweights predict out/ --field q1="How old is he?" --field q2="What is his age?" --format json

      inweights predict out/ --json < questions.jsonl
    """
    if text is not None and field:
        raise UserError("give a text or --field, not both")
    from inweights.exports import load

    artifact = load(folder, model)
    names = artifact.prompt.field_names
    inputs = _given(text, field, names) or (_json_lines(names) if json_lines else _plain_lines(names))
    while batch := list(islice(inputs, BATCH)):
        for fields, prediction in zip(batch, artifact.predict(batch), strict=True):
            print(_shown(fields, prediction, format), flush=True)
        print_fallbacks(artifact.fallbacks(batch), len(batch))


def print_fallbacks(counts: Mapping[str, int], inputs: int) -> None:
    """A warning on standard error for each text that was cut."""
    for what, count in counts.items():
        print(f"note: {count:,} of {inputs:,} too long for the model's context window, {what}", file=sys.stderr)


def _given(text: str | None, field: list[str] | None, names: Sequence[str]) -> Iterator[Fields] | None:
    """What the command line itself holds; None where standard input is to be read."""
    if text is not None:
        return iter([_one(text, names, "the text")])
    if field:
        return iter([_whole(dict(_pair(each) for each in field), names, "the command line")])
    return None


def _plain_lines(names: Sequence[str]) -> Iterator[Fields]:
    for number, line in enumerate(_lines(), start=1):
        yield _one(line.rstrip("\r\n"), names, f"line {number} of standard input")


def _json_lines(names: Sequence[str]) -> Iterator[Fields]:
    for number, line in enumerate(_lines(), start=1):
        where = f"line {number} of standard input"
        try:
            fields = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{where} is not JSON ({error.msg}): expected one object per line") from error
        if not isinstance(fields, dict):
            raise UserError(f"{where} is not a JSON object: expected one object per line, such as {_like(names)}")
        yield _whole(fields, names, where)


def _lines() -> Iterator[str]:
    if sys.stdin.isatty():
        print("reading standard input, a text in each line; end with Ctrl-D", file=sys.stderr)
    try:
        yield from sys.stdin
    except UnicodeDecodeError as error:
        raise UserError(f"standard input is not UTF-8 text ({error.reason}): convert it first") from error


def _one(text: str, names: Sequence[str], where: str) -> Fields:
    if len(names) != 1:
        raise UserError(
            f"{where} is one text and the pattern has the fields {', '.join(names)}: "
            f"give each with --field, or lines such as {_like(names)} with --json"
        )
    return _whole({names[0]: text}, names, where)


def _whole(fields: Mapping[str, object], names: Sequence[str], where: str) -> Fields:
    """The fields of the pattern; others are ignored, so that a file with labels can be used as it is."""
    for name in names:
        if name not in fields:
            raise UserError(f"{where} has no field {name!r}; the pattern asks for {', '.join(names)}")
        if not isinstance(fields[name], str) or not str(fields[name]).strip():
            raise UserError(f"{where} has no text in {name!r}: fill it or take it out")
    return {name: str(fields[name]) for name in names}


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not (name and equals):
        raise UserError(f"--field {given}: expected NAME=VALUE")
    return name, value


def _like(names: Sequence[str]) -> str:
    return json.dumps(dict.fromkeys(names, "..."))


def _shown(fields: Fields, prediction: "Prediction", format: Format) -> str:
    if format is Format.json:
        values = {"label": prediction.label, "probabilities": prediction.probabilities, "fields": fields}
        return json.dumps(values, ensure_ascii=False)
    ranked = sorted(prediction.probabilities.items(), key=lambda each: -each[1])
    return f"{prediction.label}\t" + "  ".join(f"{label} {probability:.3f}" for label, probability in ranked)
