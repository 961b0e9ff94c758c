"""`inweights.export(...)` and `inweights.learn(...)`: what `best --export` and `learn` do, from Python."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from inweights.exports.card import About
from inweights.exports.export import export as exported
from inweights.exports.verify import Verification
from inweights.learn_records import LearnReport
from inweights.methods import Fitted
from inweights.predictions import example_of


def export(
    fitted: Fitted, folder: str | Path, checks: Sequence[str | Mapping[str, str]], about: About | None = None
) -> Verification:
    """Write a fitted method as a folder that loads elsewhere, and prove it on `checks` in a fresh process.

    `checks`: texts, or dicts of fields, that are scored before and after. Raises RejectedError where the scores differ,
    UserError where the folder is taken; nothing is left of it then.
    """
    return exported(fitted, Path(folder), [example_of(each, fitted.readout.prompt) for each in checks], about)


def learn(
    sources: str | Path | Sequence[str | Path],
    model: str,
    out: str | Path,
    *,
    form: Literal["lora", "kv", "both", "merged"] = "lora",
    effort: Literal["quick", "standard", "max"] = "standard",
    kind: str = "auto",
    queries: str | Path | None = None,
    test: str | Path | None = None,
    time_budget: float | None = None,
    dtype: str | None = None,
    device: str | None = None,
    progress: bool = True,
) -> LearnReport:
    """Teach a model a context, so that it answers as if the context were in its prompt; what was measured.

    Parameters
    ----------
    sources: files or folders to learn.
    model: a name or a path.
    out: the folder to write, which must be free.
    form: a LoRA, a key/value prefix, both, or a LoRA merged into the weights.
    effort: how many questions are asked and trained on.
    kind: how the sources are read; `auto` goes by their names.
    queries: a file of questions to train on; test: one of questions with answers to measure on.
    time_budget: seconds for all of it; None: no limit.
    dtype: fp32, bf16 or fp16; device: cpu, cuda, cuda:1, mps.
    progress: print each step.
    """
    from inweights.context.questions import from_file
    from inweights.context.settings import EFFORTS, Settings
    from inweights.exports.pipeline import LearnRequest, learn_into, material

    listed = [sources] if isinstance(sources, str | Path) else sources
    request = LearnRequest(
        form=form,
        settings=Settings(effort=EFFORTS[effort]),
        queries=tuple(from_file(Path(queries))) if queries else (),
        tests=tuple(from_file(Path(test))) if test else (),
        seconds=math.inf if time_budget is None else time_budget,
    )
    given = material(model, [str(each) for each in listed], kind, dtype=dtype, device=device)
    return learn_into(Path(out), given, request, print if progress else lambda text: None)
