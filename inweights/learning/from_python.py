"""`inweights.learn(...)`: what the command `learn` does, from Python."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from inweights.learn_records import LearnReport


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
    asker: str = "",
    teacher: str = "",
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
    asker: a model that writes the questions, loaded for that and freed; teacher: one with the same tokenizer that answers
        them with the context. "": the model itself.
    time_budget: seconds for all of it; None: no limit.
    dtype: fp32, bf16 or fp16; device: cpu, cuda, cuda:1, mps.
    progress: print each step.
    """
    from inweights.context.questions import from_file
    from inweights.context.settings import EFFORTS, Settings
    from inweights.learning.inputs import read_inputs
    from inweights.learning.pipeline import learn_into
    from inweights.learning.request import LearnRequest

    listed = [sources] if isinstance(sources, str | Path) else sources
    request = LearnRequest(
        form=form,
        settings=Settings(effort=EFFORTS[effort]),
        queries=tuple(from_file(Path(queries))) if queries else (),
        tests=tuple(from_file(Path(test))) if test else (),
        seconds=math.inf if time_budget is None else time_budget,
    )
    paths = [str(each) for each in listed]
    inputs = read_inputs(model, paths, kind, dtype=dtype, device=device, asker=asker, teacher=teacher)
    return learn_into(Path(out), inputs, request, print if progress else lambda text: None)
