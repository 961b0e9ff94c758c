"""`inweights probe`: whether learning a context would pay, in about a minute, before anything is trained."""

import json
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from inweights.cli.context_options import INPUTS, Kind
from inweights.cli.option_table import given_values, takes_options
from inweights.cli.predict import Format
from inweights.wording import counted

SHOWN = 100
"""Characters of an answer."""


@takes_options(INPUTS)
def probe(
    sources: Annotated[list[Path], Argument(help="Texts, PDFs, dialogues, repositories; several at once.")],
    model: Annotated[str, Option(help="Folder, GGUF file, hub or short name.")],
    kind: Annotated[Kind, Option(help="What the sources are.")] = Kind.auto,
    queries: Annotated[Path | None, Option(help="Your own questions instead of the model's.")] = None,
    test: Annotated[Path | None, Option(help="Questions with gold answers, as JSONL.")] = None,
    out: Annotated[
        Path | None, Option("--out", "-o", help="The folder `learn` is to write: the questions are kept beside it for that.")
    ] = None,
    format: Annotated[Format, Option(help="How to print.")] = Format.text,
    **options: Any,
) -> None:
    """Say what a context tells the model, what it costs at every call, what learning it would cost, and what to do.

    Example:

      inweights probe manual.pdf --model Qwen/Qwen3-0.6B
    """
    import sys
    import tempfile

    from inweights.context.probe import probe as probed
    from inweights.context.questions import from_file
    from inweights.context.settings import Settings
    from inweights.context.work_cache import Store
    from inweights.learning.inputs import read_inputs
    from inweights.learning.work import work_of

    given = from_file(queries) if queries else ()
    tests = from_file(test) if test else ()
    inputs = read_inputs(model, [str(each) for each in sources], kind.value, **given_values(INPUTS, options))
    with tempfile.TemporaryDirectory() as folder:
        found = probed(
            inputs.model,
            inputs.template,
            inputs.chunks,
            Settings(),
            Store(work_of(out) if out else Path(folder)),
            given,
            tests,
            asker=inputs.asker,
            teacher=inputs.teacher,
            say=lambda text: print(f"  {text}", file=sys.stderr, flush=True),
        )
    found["skipped"] = [f"{each.source}: {each.reason}" for each in inputs.context.skipped]
    found["slow_path"] = inputs.model.card.slow_path
    print(json.dumps(found, ensure_ascii=False) if format is Format.json else _as_text(found))


def _as_text(found: dict[str, Any]) -> str:
    from inweights.context.probe import duration

    lines = [*filter(None, [found["slow_path"]]), *(f"skipped {each}" for each in found["skipped"])]
    lines.append(
        f"{counted(found['tokens'], 'token')} in {counted(found['pieces'], 'piece')}, "
        f"{found['kv_bytes'] / 2**20:,.1f} MiB of keys and values "
        f"at every request (the window has {found['window']:,} tokens)"
    )
    lines.append(
        f"{found['information']:.3f} nats of information per answer token, over {counted(found['questions'], 'question')}"
    )
    if found["accuracy"]:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in found["accuracy"].items() if name != "distinct")
        lines.append(f"right, by {found['right']}: {shares}")
    lines += [f"  {question}  ->  {' '.join(answer.split())[:SHOWN]}" for question, answer in found["samples"]]
    for name, each in found["efforts"].items():
        paid = ", ".join(
            f"{rival} {'never' if count is None else f'{count:,}'}" for rival, count in each["break_even"].items()
        )
        lines.append(f"{name:9} {each['lessons']:>8,} answers, {duration(each['seconds'])}; pays after queries: {paid}")
    return "\n".join([*lines, found["advice"]])
