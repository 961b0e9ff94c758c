"""`inweights ask OUT "question"`: an answer from a learned context, with passages to check it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from inweights.cli.predict import Format
from inweights.types import UserError

if TYPE_CHECKING:
    from inweights.learning.session import Session

SHOWN = 240
"""Characters of a passage."""


def ask(
    folder: Annotated[Path, Argument(metavar="OUT", help="A folder that `inweights learn` wrote.")],
    question: Annotated[str | None, Argument(help="Without it, --file is read.")] = None,
    file: Annotated[Path | None, Option(help="Questions, one a line or JSONL; answers come as JSON Lines.")] = None,
    model: Annotated[str | None, Option(help="The place of the base model, if it has moved.")] = None,
    sources: Annotated[list[Path] | None, Option(help="The place of the sources, if they have moved.")] = None,
    passages: Annotated[int, Option(min=0, help="Passages of the sources to show.")] = 3,
    form: Annotated[str | None, Option("--as", help="lora or kv, where the folder holds both.")] = None,
    format: Annotated[Format, Option(help="How to print.")] = Format.text,
    device: Annotated[str | None, Option(help="cpu, cuda, cuda:1, mps.")] = None,
) -> None:
    """Answer as if the context were in the prompt; the answer comes word by word.

    Examples:

      inweights ask manual/ "How is the filter changed?"

      inweights ask manual/ --file questions.txt > answers.jsonl
    """
    if (question is None) == (file is None):
        raise UserError("give either one question or --file with several")
    from inweights.context.questions import from_file
    from inweights.learning.session import Session

    questions = [each.text for each in from_file(file)] if file else []
    answering = Session(folder, model, form, device, [str(each) for each in sources or ()])
    for note in answering.notes:
        print(f"note: {note}", file=sys.stderr)
    if question is not None and format is Format.text:
        for part in answering.streamed(question):
            print(part, end="", flush=True)
        print()
        for passage in answering.passages(question, passages):
            print(f"\n[{passage.name}]\n{_short(passage.body)}")
        return
    for text, answer in answering.each(questions or [question or ""]):
        print(_as_json(answering, text, answer, passages), flush=True)


def _as_json(answering: "Session", question: str, answer: str, count: int) -> str:
    from inweights.context.conversation import spelled

    found = [
        {"source": each.source, "where": each.where, "text": _short(each.body)}
        for each in answering.passages(question, count)
    ]
    return json.dumps({"question": spelled(question), "answer": answer, "passages": found}, ensure_ascii=False)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 3].rsplit(" ", 1)[0] + "..."
