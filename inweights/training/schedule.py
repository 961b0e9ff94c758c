"""The schedule of training: epochs, batches, learning rate, optimizer."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from inweights.types import UserError


@dataclass(frozen=True)
class Schedule:
    """By default AdamW with betas .9 and .999 and epsilon 1e-8; weight decay is decoupled, the same for all parameters."""

    lr: float = 1e-3
    """Peak learning rate."""
    width: int | None = None
    """Hidden size of the backbones that `lr` is meant for. On others Adam's rate for matrices is scaled by width / hidden
    size (Yang et al. 2022, arXiv 2203.03466). None: `lr` is used as it is."""
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
        for name, expected in wrong.items():
            if expected:
                raise UserError(f"schedule.{name} is {getattr(self, name)}: expected {expected}")

    def on(self, hidden_size: int) -> "Schedule":
        """The schedule with the rate for a backbone of that width."""
        return self if self.width is None else replace(self, lr=self.lr * self.width / hidden_size, width=None)

    def steps(self, items: int, maximum: int | None) -> int:
        of_epochs = self.epochs * math.ceil(items / self.batch_size)
        return of_epochs if maximum is None else min(of_epochs, maximum)

    def factor(self, step: int, steps: int) -> float:
        """What the peak learning rate is multiplied by at `step` of `steps`, counted from 0.

        The first step has a rate above 0. In transformers the warm-up is one step later: its first step has a rate of 0.
        """
        rising = math.ceil(self.warmup * steps)
        if step < rising:
            return (step + 1) / rising
        done = (step - rising) / max(1, steps - rising)
        return {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}[self.decay]
