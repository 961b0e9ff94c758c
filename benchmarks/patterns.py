"""Which pattern of a preset pretrained models answer best by, without training: what the presets' defaults rest on.

Every pattern of SST-2, TREC, CoLA, RTE and CommitmentBank on both models: zero-shot and in-context learning of 16 shots,
each as it is and with the mean over the scored inputs taken out (batch calibration, Zhou et al. 2023). The figure is the
mean over labels of the share of their examples answered right, so that one constant answer is worth chance.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.bench import Benchmark, Goal, Options, Row
from benchmarks.real import shapes
from inweights import models
from inweights.methods import METHODS
from inweights.methods.in_context import batch_offsets
from inweights.study.draw import draw
from inweights.study.outcomes import limited
from inweights.tasks import task as task_named
from inweights.types import Budget, Example, Prompt, Task, UserError

EXAMPLES = {"sst2": 80, "trec": 80, "cola": 80, "rte": 40, "cb": 56}
SHOTS = 16


def patterns(options: Options, goal: Goal) -> list[Row]:
    if options.data is None:
        raise UserError("expected --data DIR with the data of the presets")
    rows = []
    for shape in shapes(options):
        model = models.load(str(shape.place))
        for name, count in EXAMPLES.items():
            task = task_named(name, options.data)
            found = {prompt.name: _measured(model, task, prompt, 8 if options.quick else count) for prompt in task.prompts}
            means = {pattern: _mean(each) for pattern, each in found.items()}
            ours, best = means[task.prompt.name], max(means.values())
            unit = f"mean balanced accuracy of {task.prompt.name}"
            more = {"patterns": found, "examples": count}
            rows.append(Row(f"{shape.name} {name}", ours, best, unit, ours / best, goal.here, goal.better, 1, more))
    return rows


def _measured(model: Any, task: Task, prompt: Prompt, count: int) -> dict[str, float]:
    name = next(name for name, split in task.evaluation.items() if split.domain == "in-domain")
    examples = limited(task.splits[name].load(), count, f"{task.name} {name}")
    found = {}
    for method in ("zero-shot", "icl"):
        [fitted] = METHODS[method].fit(model, prompt, [draw(task, SHOTS, 0)], Budget())
        scores = fitted.readout(examples)
        found[method] = _balanced(scores, examples)
        found[f"{method}+batch"] = _balanced(scores - batch_offsets(scores), examples)
    return found


def _balanced(scores: Tensor, examples: Sequence[Example]) -> float:
    right = scores.argmax(-1) == torch.tensor([example.label for example in examples])
    labels = torch.tensor([example.label for example in examples])
    return float(torch.stack([right[labels == label].float().mean() for label in labels.unique()]).mean())


def _mean(found: dict[str, float]) -> float:
    return sum(found.values()) / len(found)


ABOUT = "patterns of the presets on pretrained models, untrained: the default beside the best (--models, --data)"
BENCHMARKS = (Benchmark("patterns", ABOUT, Goal(0.9, 0.9, "higher", "ours / peer"), patterns),)
