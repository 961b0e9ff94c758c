"""How long, how fast and in what steps training goes."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from inweights.types import UserError


@dataclass(frozen=True)
class Schedule:
    """AdamW with betas .9 and .999, epsilon 1e-8, unless said otherwise; decoupled decay on every parameter alike."""

    lr: float = 1e-3
    """Peak learning rate."""
    width: int | None = None
    """Hidden size of the backbones that `lr` is meant for; on another, Adam's rate for matrices goes with 1 / width
    (Yang et al. 2022, arXiv 2203.03466). None: `lr` as it is."""
    epochs: int = 20
    batch_size: int = 16
    warmup: float = 0.1
    """Share of the steps over which the learning rate rises from 0."""
    decay: Literal["constant", "linear", "cosine"] = "linear"
    """What it does after the warm-up."""
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    """Of the gradient; 0: not clipped."""
    stop_loss: float = 0.0
    """Training ends after an epoch whose mean loss is below this; 0: never early."""
    optimizer: Literal["adamw", "adafactor", "adamw-8bit"] = "adamw"
    """Adafactor keeps a row and a column for each matrix, 8-bit AdamW (bitsandbytes) a byte a number."""

    def __post_init__(self) -> None:
        wrong = {
            "lr": not 0 < self.lr < math.inf and "above 0",
            "width": self.width is not None and self.width < 1 and "at least 1",
            "epochs": self.epochs < 1 and "at least 1",
            "batch_size": self.batch_size < 1 and "at least 1",
            "warmup": not 0 <= self.warmup <= 1 and "a share from 0 to 1",
            "weight_decay": not 0 <= self.weight_decay < math.inf and "at least 0",
            "stop_loss": not 0 <= self.stop_loss < math.inf and "at least 0",
            "clip_norm": not 0 <= self.clip_norm < math.inf and "at least 0",
        }
        for name, wanted in wrong.items():
            if wanted:
                raise UserError(f"schedule.{name} is {getattr(self, name)}: expected {wanted}")

    def on(self, hidden_size: int) -> "Schedule":
        """The schedule with the rate for a backbone of that width."""
        return self if self.width is None else replace(self, lr=self.lr * self.width / hidden_size, width=None)

    def steps(self, items: int, most: int | None) -> int:
        wanted = self.epochs * math.ceil(items / self.batch_size)
        return wanted if most is None else min(wanted, most)

    def factor(self, step: int, steps: int) -> float:
        """What the peak learning rate is multiplied by at `step` of `steps`, counted from 0.

        The first step already moves: transformers' warm-up, one step behind ours, begins with a step at rate 0.
        """
        rising = math.ceil(self.warmup * steps)
        if step < rising:
            return (step + 1) / rising
        done = (step - rising) / max(1, steps - rising)
        return {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}[self.decay]
