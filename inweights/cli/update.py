"""`inweights update OUT -o NEW`: adapt a learned context to edited sources."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from inweights.wording import counted


def update(
    folder: Annotated[Path, Argument(metavar="OUT", help="A folder that `inweights learn` wrote; OUT.work must be there.")],
    out: Annotated[Path, Option("--out", "-o", help="The folder to write.")],
    sources: Annotated[list[Path] | None, Option(help="The edited sources, if they have moved.")] = None,
    model: Annotated[str | None, Option(help="The place of the base model, if it has moved.")] = None,
    queries: Annotated[Path | None, Option(help="Questions about what is new, instead of the model's.")] = None,
    test: Annotated[Path | None, Option(help="Questions with gold answers, as JSONL.")] = None,
) -> None:
    """Ask about what is new, ask again about what is gone, and train on from what was learned.

    Example:

      inweights update manual/ -o manual-2/
    """
    from inweights.context.questions import from_file
    from inweights.learning.update import update as updated
    from inweights.report.learn_report import terminal, write_learned_page

    asked_now = from_file(queries) if queries else ()
    tests = from_file(test) if test else ()
    paths = [str(each) for each in sources or ()]
    found = updated(folder, out, paths, model, asked_now, tests, lambda text: print(f"  {text}", flush=True))
    if found is None:
        print(f"the sources of {folder} have not changed: there is nothing to learn")
        return
    print(terminal(found))
    for form, each in found.forms.items():
        if questions := each.unlearned.get("questions"):
            now, before = each.unlearned["as_now"], each.unlearned["still_old"]
            changed = counted(questions, "question")
            print(f"{form}: of {changed} whose answer has changed, {now} get the new answer and {before} the old")
    print(write_learned_page(out))
