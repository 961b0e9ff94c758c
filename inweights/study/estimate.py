"""What one run would take in time and memory, from its token counts and a machine's speed. No weights are loaded.

Time is that of the matrix products (2 operations per weight and token forward, 2 for the gradient of what goes in, 2 for
that of a weight that trains: Kaplan et al. 2020, arXiv 2001.08361, 2.1) at the rate that the machine does such products,
of the passes over activations and parameters at the rate that it copies, and of starting kernels. What is kept for the
backward pass was measured. `python -m benchmarks plan` holds all of it beside what runs take.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from torch import nn

from inweights.models.base import LanguageModel
from inweights.models.skeleton import skeleton
from inweights.scoring.batches import tokens_at_once
from inweights.settings import settings
from inweights.study.draw import draw
from inweights.study.execute import Setting
from inweights.study.machine import copy_rate, device, matrix_rate
from inweights.types import Example
from inweights.updates import LoRA, first_changed_block

SECONDS_PER_BLOCK = 2e-4
"""To start the kernels of one transformer block, whatever its size; a backward pass starts twice as many."""
LAST_BLOCK = 0.25
"""Of the last block is run for tokens that are not read: keys and values."""
LOW_RANK_RATE = 0.15
"""Of the matrix rate at which products with so few columns run: they wait for memory."""
FORWARD_BYTES, BACKWARD_BYTES = 220, 260
"""That element-wise passes and attention read and write, per token, block and unit of width."""
UPDATE_BYTES = 60
"""That clipping, the optimizer and gradients read and write per number that trains."""
SCORING_BYTES = 120
"""In use at once in a pass that keeps nothing, per token and unit of width."""
PRODUCTS = 0.9
"""Of the matrix rate that a model's products reach, between which other things go through the caches."""


KEPT_BYTES, KEPT_BYTES_GATED = 85, 125
"""For the backward pass, per token, block and unit of width; where feed-forward layers have a gate there is more."""
KEPT_WITHOUT_INPUTS = 0.85
"""Of that, where no product needs its input for a weight's gradient."""
LARGEST_BATCH = 1.1
"""Tokens of a run's largest batch over those of its mean one."""


@dataclass(frozen=True)
class Estimate:
    """Of one run, without loading the model."""

    seconds: float
    peak_bytes: float
    """Above the loaded model."""
    parts: tuple[tuple[str, float], ...] = ()
    """What the bytes are for, the most first."""

    def __mul__(self, other: "Estimate") -> "Estimate":
        parts = tuple((name, size * other.peak_bytes) for name, size in self.parts)
        return Estimate(self.seconds * other.seconds, self.peak_bytes * other.peak_bytes, parts)


@dataclass(frozen=True)
class Shape:
    """What of a backbone decides how long it takes."""

    width: int
    blocks: int
    weights: int
    """That every token is multiplied with: embeddings are looked up, the LM head is where it is read."""
    vocabulary: int
    gated: bool

    def forward(self, tokens: float, passes: float, blocks: float | None = None, before: float = 0.0) -> float:
        """Seconds of passes over so many tokens in all, through the last so many blocks, `before` tokens in front."""
        run = (self.blocks if blocks is None else blocks) - 1 + LAST_BLOCK
        flop = (2 * self.weights / self.blocks + 4 * self.width * before) * run * tokens
        moved = FORWARD_BYTES * tokens * self.width * run
        started = SECONDS_PER_BLOCK * run * passes
        return flop / self._rate(tokens / passes) + moved / copy_rate() + started

    def backward(self, tokens: float, passes: float, blocks: float, trained: float) -> float:
        """Seconds; `trained`: weights whose gradient is a product."""
        run = blocks - 1 + LAST_BLOCK
        flop = (2 * self.weights / self.blocks * run + 2 * trained) * tokens
        moved = BACKWARD_BYTES * tokens * self.width * run
        return flop / self._rate(tokens / passes) + moved / copy_rate() + 2 * SECONDS_PER_BLOCK * run * passes

    def low_rank(self, tokens: float, numbers: float) -> float:
        """Seconds of LoRA's own products, forward and backward."""
        return 6 * numbers * tokens / (LOW_RANK_RATE * matrix_rate(self.width, 1024))

    def _rate(self, tokens: float) -> float:
        # By powers of two: a rate is measured once for all runs that are about as large.
        size = 1 << min(12, max(5, round(tokens).bit_length()))
        return PRODUCTS * matrix_rate(self.width, size)


def estimate(setting: Setting) -> Estimate:
    """Of one run on this machine."""
    run, flat = setting.run, settings(setting.method)
    model, shape = skeleton(run.model), shape_of(run.model)
    shots = draw(setting.task, run.shots, run.seed)
    train = setting.task.splits["train"].load()
    length = _mean_tokens(setting, [*shots.labelled[:32]] or [*train[:32]])
    sets = [split.load() for split in setting.task.evaluation.values()]
    queries = sum(min(len(each), run.limit or len(each)) for each in sets)
    asked = _mean_tokens(setting, [example for each in sets for example in each[:16]])
    trains, in_context = "schedule.epochs" in flat, run.shots * length
    shown = 0 if trains or flat.get("demonstrations") == 0 else run.shots
    members = _number(flat.get("members", 1))
    share = _number_or(flat.get("share"), 0.5) if members > 1 else 1.0
    in_front = share * shown * length
    scored = members * (queries * asked + len(sets) * in_front)
    at_once = min(scored, tokens_at_once(run.budget.batch_tokens, shape.width, device()))
    seconds = shape.forward(scored, max(1, scored / at_once), before=in_front)
    parts = {
        "a pass over the queries (--batch-tokens)": SCORING_BYTES * at_once * shape.width
        + 8.0 * at_once / asked * shape.vocabulary,
        "demonstrations": 8.0 * shown * length * shape.width * shape.blocks,
    }
    peak = parts
    if trains:
        schedule: Any = setting.method.schedule  # type: ignore[attr-defined]
        update: Any = setting.method.update  # type: ignore[attr-defined]
        items = _number(flat["pool_size"]) if "pool_size" in flat else run.shots
        if "pool_size" in flat and shots.unlabelled:
            items = min(items, len(shots.unlabelled))
            length = _mean_tokens(setting, shots.unlabelled[:32])
        steps = schedule.steps(max(1, items), run.budget.steps)
        searched = {"": 1, "holdout": 3, "kfold": 12}[run.tune]
        in_batch = min(schedule.batch_size, max(1, items)) * length
        changed = update.apply(model, 0).parameters
        numbers = sum(parameter.numel() for parameter in changed.values())
        first = min(first_changed_block(model, changed), shape.blocks - 1)
        above = shape.blocks - first
        matrices = {f"{name}.weight" for name, each in model.module.named_modules() if isinstance(each, nn.Linear)}
        trained = sum(p.numel() for name, p in changed.items() if name in matrices)
        step = shape.forward(in_batch, 1, above) + shape.backward(in_batch, 1, above, trained)
        step += shape.low_rank(in_batch, numbers) if isinstance(update, LoRA) else 0.0
        step += UPDATE_BYTES * numbers / copy_rate() + (step / 3 if run.budget.checkpointing else 0.0)
        seconds += searched * (steps * step + shape.forward(items * length, 1, first) * (first > 0))
        if "contexts" in flat:
            told = _number(flat["contexts"]) * (items * length + in_context)
            seconds += shape.forward(told, max(1, told / at_once), before=in_context)
        kept = LARGEST_BATCH * in_batch * _kept_bytes(shape, update.name)
        training = {
            "what trains, its gradients and the optimizer's state (another update)": 16.0 * numbers,
            "activations (--checkpointing, a smaller batch)": kept * (1 if run.budget.checkpointing else above),
        }
        peak = max((parts, training), key=lambda each: sum(each.values()))
    ordered = tuple(sorted(peak.items(), key=lambda item: -item[1]))
    return Estimate(seconds, sum(peak.values()), ordered)


@lru_cache
def shape_of(name: str) -> Shape:
    model = skeleton(name)
    module: Any = model.module
    config: Any = module.config.get_text_config()
    causal = model.card.family == "causal"
    aside = [each.weight for each in module.modules() if isinstance(each, nn.Embedding)]
    aside += [module.get_output_embeddings().weight] if causal else []
    left_out = {id(weight) for weight in aside}
    weights = sum(parameter.numel() for parameter in module.parameters() if id(parameter) not in left_out)
    gated = any("gate" in name for name, _ in module.named_modules())
    return Shape(model.hidden_size, int(config.num_hidden_layers), weights, int(config.vocab_size) if causal else 0, gated)


def _kept_bytes(shape: Shape, update: str) -> float:
    """Of one block, per token."""
    each = KEPT_BYTES_GATED if shape.gated else KEPT_BYTES
    return (KEPT_WITHOUT_INPUTS if update == "bitfit" else 1.0) * each * shape.width


def _mean_tokens(setting: Setting, examples: Sequence[Example]) -> float:
    encoded = _model(setting).encode([setting.prompt.body(example) for example in examples])
    return statistics.mean(map(len, encoded)) + 1


def _model(setting: Setting) -> LanguageModel:
    return skeleton(setting.run.model)


def _number(value: object) -> int:
    return int(str(value))


def _number_or(value: object, otherwise: float) -> float:
    return otherwise if value is None else float(str(value))
