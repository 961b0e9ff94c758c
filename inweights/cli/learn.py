"""`inweights learn`: from a prompt, PDF, dialogue or repository to an adapter that answers as if it were in the prompt."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from inweights.cli.context_options import INPUTS, Kind, parsed_seconds
from inweights.cli.option_table import Table, TableOption, given_values, takes_options
from inweights.types import UserError
from inweights.wording import counted

if TYPE_CHECKING:
    from inweights.learning.request import LearnRequest

DEFAULT_RIVALS = "icl,icl-cached,rag"


class Form(StrEnum):
    """What is exported."""

    lora = "lora"
    kv = "kv"
    both = "both"
    merged = "merged"


class Effort(StrEnum):
    """Synthetic tokens for each token of the context: 3, 30 or 300."""

    quick = "quick"
    standard = "standard"
    max = "max"


SETTINGS: Table = {
    "size": TableOption(int, "Tokens of a key/value prefix."),
    "rank": TableOption(int, "Of the LoRA."),
    "lr": TableOption(float, "Peak learning rate."),
    "epochs": TableOption(int, "Times each answer is trained on."),
    "steps": TableOption(int, "Minimum number of optimiser steps."),
    "batch_tokens": TableOption(int, "Maximum number of packed tokens of a step."),
    "replay": TableOption(float, "Share of neutral and conflicting prompts."),
    "polish": TableOption(float, "Share of steps on the student's own answers, such as .1."),
    "wide": TableOption(float, "Share of questions answered with neighbouring pieces too, or the whole text."),
    "held_out": TableOption(float, "Share of the questions nothing is trained on."),
    "seed": TableOption(int, "Of everything random; 0 if not given."),
}
"""Fields of `context.settings.Settings`."""


@takes_options(SETTINGS, INPUTS)
def learn(
    sources: Annotated[list[Path], Argument(help="Texts, PDFs, dialogues, repositories; several at once.")],
    model: Annotated[str, Option(help="Folder, GGUF file, hub or short name.")],
    out: Annotated[Path, Option("--out", "-o", help="The folder to write.")],
    kind: Annotated[Kind, Option(help="What the sources are.")] = Kind.auto,
    as_: Annotated[Form, Option("--as", help="What to export.")] = Form.lora,
    effort: Annotated[Effort | None, Option(help="How much to ask: standard, or with --queries nothing else.")] = None,
    time_budget: Annotated[str | None, Option(help="Such as 10min: asking, training and measuring end about then.")] = None,
    queries: Annotated[
        Path | None, Option(help="Your questions, one a line or JSONL; with --effort the model's too.")
    ] = None,
    test: Annotated[Path | None, Option(help='Questions with right answers, JSONL with "question" and "answer".')] = None,
    method: Annotated[
        str, Option(help="Rivals in the table: icl, icl-cached, rag, sft, next-token, distilled+rag; all; none.")
    ] = DEFAULT_RIVALS,
    **options: Any,
) -> None:
    """Teach a model a context, so that it answers as if the context were in its prompt, and say how far that went.

    Stopped at any time, the same command goes on where it was: OUT.work keeps its questions, answers and training.

    Examples:

      inweights learn manual.pdf --model Qwen/Qwen3-0.6B -o manual/

      inweights learn src/ chat.json --model M --as kv --effort quick --queries questions.txt -o out/
    """
    from inweights.exports.staging import refuse_occupied
    from inweights.learning.inputs import read_inputs
    from inweights.learning.pipeline import learn_into
    from inweights.report.learn_report import terminal, write_learned_page

    refuse_occupied(out)
    wish = _wish(as_, effort, given_values(SETTINGS, options), queries, test, method, time_budget)
    given = read_inputs(model, [str(each) for each in sources], kind.value, **given_values(INPUTS, options))
    for each in given.context.skipped:
        print(f"skipped {each.source}: {each.reason}")
    if given.model.card.slow_path:
        print(given.model.card.slow_path)
    pieces = counted(len(given.chunks), "piece")
    print(f"{pieces} of up to {given.chunk_tokens:,} tokens, for {given.model.card.name}", flush=True)
    try:
        report = learn_into(out, given, wish, lambda text: print(f"  {text}", flush=True))
    except KeyboardInterrupt:
        print(f"\nstopped; questions, answers and training so far are in {out}.work: give the same command again to go on")
        raise
    print(terminal(report))
    print(write_learned_page(out))


def _wish(
    form: Form,
    effort: Effort | None,
    given: Mapping[str, Any],
    queries: Path | None,
    test: Path | None,
    method: str,
    time_budget: str | None,
) -> "LearnRequest":
    from inweights.context.methods import RIVALS
    from inweights.context.questions import from_file
    from inweights.context.settings import EFFORTS, Settings
    from inweights.learning.request import LearnRequest

    rivals = {"all": RIVALS, "none": ()}.get(method, tuple(each for each in method.split(",") if each))
    unknown = [each for each in rivals if each not in RIVALS]
    if unknown:
        raise UserError(f"--method {','.join(unknown)}: there are {', '.join(RIVALS)}, all and none")
    tests = tuple(from_file(test)) if test else ()
    if any(not each.gold for each in tests):
        raise UserError(f'{test}: every question needs its right "answer"; without answers they are --queries')
    given = {**given, "alpha": float(given["rank"])} if "rank" in given else given
    return LearnRequest(
        form=form.value,
        settings=Settings(effort=EFFORTS[effort.value if effort else "standard"], **given),
        queries=tuple(from_file(queries)) if queries else (),
        own=effort is not None or queries is None,
        tests=tests,
        rivals=rivals,
        seconds=parsed_seconds(time_budget),
    )
