"""What one run would take in time and memory, from its token counts and a machine's speed. No weights are loaded.

A forward pass takes 2 operations per parameter and token, training 6 (Kaplan et al. 2020, arXiv 2001.08361, 2.1), and
no pass is quicker than its kernels can be started. Activations are those of Korthikanti et al. 2022 (arXiv 2205.05198,
equation 1) at four bytes a number.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from inweights.models.base import LanguageModel
from inweights.models.skeleton import skeleton
from inweights.settings import settings
from inweights.study.draw import draw
from inweights.study.execute import Setting
from inweights.study.fitting import trainable

UTILISATION = 0.5
"""Of the rate of a large matrix product that a forward pass reaches; records correct it."""
SECONDS_PER_BLOCK = 4e-4
"""To start the kernels of one transformer block, whatever its size."""


@dataclass(frozen=True)
class Estimate:
    """Of one run, without loading the model."""

    seconds: float
    peak_bytes: float
    """Above the loaded model."""

    def __mul__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.seconds * other.seconds, self.peak_bytes * other.peak_bytes)


def estimate(setting: Setting, rate: float) -> Estimate:
    """Of one run at so many floating-point operations per second."""
    run, model, flat = setting.run, skeleton(setting.run.model), settings(setting.method)
    shots = draw(setting.task, run.shots, run.seed)
    train = setting.task.splits["train"].load()
    length = _mean_tokens(setting, [*shots.labelled[:32]] or [*train[:32]])
    sets = [split.load() for split in setting.task.evaluation.values()]
    queries = sum(min(len(each), run.limit or len(each)) for each in sets)
    trains = "schedule.epochs" in flat
    shown = 0 if trains or flat.get("demonstrations") == 0 else run.shots
    members = _number(flat.get("members", 1))
    scored = members * (queries + shown) * length
    forward = partial(_passes, model=model, rate=rate * UTILISATION)
    seconds = forward(scored, max(1, scored / run.budget.batch_tokens))
    peak = _scoring_bytes(model, min(scored, run.budget.batch_tokens), length, shown)
    if trains:
        schedule: Any = setting.method.schedule  # type: ignore[attr-defined]
        pool = _number(flat["pool_size"]) if "pool_size" in flat else run.shots
        steps = schedule.steps(max(1, pool), run.budget.steps)
        searched = {"": 1, "holdout": 3, "kfold": 12}[run.tune]
        in_batch = min(schedule.batch_size, max(1, pool)) * length
        seconds += 3 * searched * forward(steps * in_batch, steps)
        if "contexts" in flat:
            told = _number(flat["contexts"]) * (pool + run.shots) * length
            seconds += forward(told, max(1, told / run.budget.batch_tokens))
        peak = max(peak, 16.0 * trainable(setting.method, model) + _activation_bytes(model, in_batch, length))
    return Estimate(seconds, peak)


def _passes(tokens: float, passes: float, *, model: LanguageModel, rate: float) -> float:
    """Seconds of so many forward passes over so many tokens in all."""
    blocks = len(model.blocks())
    return max(2 * _multiplied(model) * tokens / rate, SECONDS_PER_BLOCK * blocks * passes)


def _multiplied(model: LanguageModel) -> int:
    """Parameters that every token is multiplied with: embeddings are looked up, the LM head is where it is read."""
    module: Any = model.module
    aside = [each.weight for each in module.modules() if isinstance(each, nn.Embedding)]
    aside += [module.get_output_embeddings().weight] if model.card.family == "causal" else []
    left_out = {id(weight) for weight in aside}
    return sum(parameter.numel() for parameter in module.parameters() if id(parameter) not in left_out)


def _scoring_bytes(model: LanguageModel, tokens: float, length: float, shown: int) -> float:
    """Of a forward pass that keeps nothing but one block's numbers, the logits that are read, and the prefix."""
    logits = 8.0 * tokens / length * _vocabulary(model)
    prefix = 8.0 * shown * length * model.hidden_size * len(model.blocks())
    return 4.0 * 16 * tokens * model.hidden_size + logits + prefix


def _activation_bytes(model: LanguageModel, tokens: float, length: float) -> float:
    """What the backward pass needs of the forward pass."""
    block = tokens * (68.0 * model.hidden_size + 10.0 * length * _heads(model))
    return len(model.blocks()) * block + 12.0 * tokens / length * _vocabulary(model)


def _vocabulary(model: LanguageModel) -> int:
    config: Any = model.module.config
    return int(config.get_text_config().vocab_size) if model.card.family == "causal" else 0


def _heads(model: LanguageModel) -> int:
    config: Any = model.module.config
    return int(getattr(config.get_text_config(), "num_attention_heads", 1))


def _mean_tokens(setting: Setting, examples: Sequence[Any]) -> float:
    encoded = skeleton(setting.run.model).encode([setting.prompt.body(example) for example in examples])
    return statistics.mean(map(len, encoded)) + 1


def _number(value: object) -> int:
    return int(str(value))


def measured_rate() -> float:
    """Floating-point operations per second of a large matrix product here, the best of a few."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    size = 4096 if device == "cuda" else 1024
    a, best = torch.randn(size, size, device=device), 0.0
    for _ in range(5):
        started = time.perf_counter()
        (a @ a).sum().item()
        best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best
