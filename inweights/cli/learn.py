"""`inweights learn`: from a prompt, PDF, dialogue or repository to an adapter that answers as if it were in the prompt."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from inweights.cli.context_options import ASKER, TEACHER, Kind, parsed_seconds, parsed_template
from inweights.types import UserError
from inweights.wording import counted

if TYPE_CHECKING:
    from inweights.learning.request import LearnRequest

SOURCES, TRAINING, RUNNING = "What to learn", "How to learn it", "How to run"
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


def learn(
    sources: Annotated[list[Path], Argument(help="Texts, PDFs, dialogues, repositories; several at once.")],
    model: Annotated[str, Option(help="Folder, GGUF file, hub or short name.", rich_help_panel=SOURCES)],
    out: Annotated[Path, Option("--out", "-o", help="The folder to write.", rich_help_panel=SOURCES)],
    kind: Annotated[Kind, Option(help="What the sources are.", rich_help_panel=SOURCES)] = Kind.auto,
    as_: Annotated[Form, Option("--as", help="What to export.", rich_help_panel=TRAINING)] = Form.lora,
    effort: Annotated[
        Effort | None,
        Option(help="How much to ask: standard, or with --queries nothing else.", rich_help_panel=TRAINING),
    ] = None,
    time_budget: Annotated[
        str | None, Option(help="Such as 10min: asking, training and measuring end about then.", rich_help_panel=RUNNING)
    ] = None,
    queries: Annotated[
        Path | None,
        Option(help="Your own questions, one a line or JSONL; with --effort the model's as well.", rich_help_panel=TRAINING),
    ] = None,
    test: Annotated[
        Path | None,
        Option(help='Questions with right answers, JSONL with "question" and "answer".', rich_help_panel=TRAINING),
    ] = None,
    asker: Annotated[str, Option(help=ASKER, rich_help_panel=TRAINING)] = "",
    teacher: Annotated[str, Option(help=TEACHER, rich_help_panel=TRAINING)] = "",
    method: Annotated[
        str,
        Option(
            help="Rivals in the table: icl, icl-cached, rag, sft, next-token, distilled+rag; all; none.",
            rich_help_panel=TRAINING,
        ),
    ] = DEFAULT_RIVALS,
    size: Annotated[int | None, Option(help="Tokens of a key/value prefix.", rich_help_panel=TRAINING)] = None,
    rank: Annotated[int | None, Option(help="Of the LoRA.", rich_help_panel=TRAINING)] = None,
    lr: Annotated[float | None, Option(help="Peak learning rate.", rich_help_panel=TRAINING)] = None,
    epochs: Annotated[int | None, Option(help="Times each answer is trained on.", rich_help_panel=TRAINING)] = None,
    steps: Annotated[int | None, Option(help="Minimum number of optimiser steps.", rich_help_panel=TRAINING)] = None,
    batch_tokens: Annotated[
        int | None, Option(help="Maximum number of packed tokens of a step.", rich_help_panel=TRAINING)
    ] = None,
    replay: Annotated[
        float | None, Option(help="Share of neutral and conflicting prompts.", rich_help_panel=TRAINING)
    ] = None,
    polish: Annotated[
        float | None, Option(help="Share of steps on the student's own answers, such as .1.", rich_help_panel=TRAINING)
    ] = None,
    chunk_tokens: Annotated[int | None, Option(help="Of a piece of the context.", rich_help_panel=TRAINING)] = None,
    held_out: Annotated[
        float | None, Option(help="Share of the questions nothing is trained on.", rich_help_panel=TRAINING)
    ] = None,
    answer_tokens: Annotated[
        int | None, Option(help="Maximum length of an answer; 64 if not given.", rich_help_panel=TRAINING)
    ] = None,
    template: Annotated[
        str | None,
        Option(
            help='How a question reads, such as "Q: {question}\\nA:"; a chat template if not given.', rich_help_panel=SOURCES
        ),
    ] = None,
    seed: Annotated[int, Option(help="Of everything random.", rich_help_panel=RUNNING)] = 0,
    dtype: Annotated[str | None, Option(help="fp32, bf16 or fp16.", rich_help_panel=RUNNING)] = None,
    device: Annotated[str | None, Option(help="cpu, cuda, cuda:1, mps.", rich_help_panel=RUNNING)] = None,
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
    given_settings = {
        "size": size,
        "rank": rank,
        "alpha": float(rank) if rank else None,
        "lr": lr,
        "epochs": epochs,
        "steps": steps,
        "batch_tokens": batch_tokens,
        "replay": replay,
        "polish": polish,
        "held_out": held_out,
        "seed": seed,
    }
    wish = _wish(as_, effort, given_settings, queries, test, method, time_budget)
    given = read_inputs(
        model,
        [str(each) for each in sources],
        kind.value,
        parsed_template(template),
        chunk_tokens,
        answer_tokens,
        dtype,
        device,
        asker,
        teacher,
    )
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
    given: Mapping[str, object],
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
    kept = {name: value for name, value in given.items() if value is not None}
    return LearnRequest(
        form=form.value,
        settings=Settings(effort=EFFORTS[effort.value if effort else "standard"], **kept),  # type: ignore[arg-type]
        queries=tuple(from_file(queries)) if queries else (),
        own=effort is not None or queries is None,
        tests=tests,
        rivals=rivals,
        seconds=parsed_seconds(time_budget),
    )
