"""How a context is learned: what is trained, for how long, on how much."""

import math
from dataclasses import dataclass
from typing import Literal

from inweights.training import Schedule
from inweights.types import UserError

Form = Literal["lora", "kv"]
EFFORTS = {"quick": 3.0, "standard": 30.0, "max": 300.0}
"""Synthetic tokens for each token of the context."""
DEFAULT_LR = {"lora": 2e-3, "kv": 1e-2}
"""A LoRA's on a hidden size of `TUNED_WIDTH`; on another it goes with 1 / width (arXiv 2203.03466)."""
TUNED_WIDTH = 576
STEPS = 100
"""Optimiser steps that a context is learned in at least. SmolLM2-135M gave 16 of 26 facts of a 450-token manual in new
wording after 60 steps of 8 answers with one wording of each, 19 after 50 or 100 with three, and none after 4."""
EPOCHS = 4
MINIMUM_BATCH = 8
"""Answers of a step, unless epochs are given."""


@dataclass(frozen=True)
class Settings:
    form: Form = "lora"
    effort: float = EFFORTS["standard"]
    """Synthetic tokens (questions and answers) for each token of the context."""
    rank: int = 16
    alpha: float = 16.0
    size: int | None = None
    """Tokens of a key/value prefix; None: a sixteenth of the context's, within 128 to 2048."""
    lr: float | None = None
    width: int | None = None
    """Hidden size of the models `lr` is meant for; a LoRA's rate on another goes with 1 / width."""
    epochs: int | None = None
    """Times that each answer is trained on; None: `EPOCHS`, or as often as the steps need."""
    steps: int | None = None
    """Optimiser steps at least, from which the batch follows; None: `STEPS`, or no minimum where epochs are given."""
    batch_tokens: int = 16384
    """Maximum number of packed tokens of a step."""
    replay: float = 0.5
    """Share of the tokens trained on that are neutral and conflicting prompts."""
    returned: float = 0.0
    """Questions with their context in the prompt again, for each one without: what was learned is to hold there, too."""
    known: float = 3.0
    """Answers that the context does not change, for each that it does."""
    rounds: int = 2
    """Of asking and training: the later ones ask where the held-out divergence is largest."""
    polish: float = 0.0
    """Share of the steps on the student's own answers, by reverse KL (arXiv 2602.12275)."""
    wide: float = 0.0
    """Share of the questions that the teacher answers with the neighbouring pieces in its prompt too, or the whole text
    where it fits. SmolLM2-135M answered 11 of 26 questions with their section in its prompt, 5 with the whole manual."""
    held_out: float = 0.1
    """Share of the questions that nothing is trained on."""
    memory: float | None = None
    """GB that a training step may keep for its backward pass; None: what fits on the device usually."""
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = {
            "effort": self.effort <= 0 and "above 0",
            "lr": self.lr is not None and not 0 < self.lr < math.inf and "above 0",
            "rank": self.rank < 1 and "at least 1",
            "epochs": self.epochs is not None and self.epochs < 1 and "at least 1",
            "steps": self.steps is not None and self.steps < 1 and "at least 1",
            "rounds": self.rounds < 1 and "at least 1",
            "batch_tokens": self.batch_tokens < 1 and "at least 1",
            "replay": not 0 <= self.replay < 1 and "a share below 1",
            "returned": not 0 <= self.returned < math.inf and "at least 0",
            "memory": self.memory is not None and self.memory <= 0 and "above 0",
            "polish": not 0 <= self.polish < 1 and "a share below 1",
            "wide": not 0 <= self.wide <= 1 and "a share",
            "held_out": not 0 <= self.held_out < 1 and "a share below 1",
            "size": self.size is not None and self.size < 2 and "at least 2",
        }
        for name, wanted in wrong.items():
            if wanted:
                raise UserError(f"{name} is {getattr(self, name)}: expected {wanted}")

    def prefix_tokens(self, context_tokens: int) -> int:
        """A sixteenth of the context, within 128 to 2048 and in sixteens; never over half of a short context."""
        if self.size is not None:
            return self.size
        wanted = min(max(128, context_tokens // 16), 2048)
        return max(2, min(wanted // 16 * 16, context_tokens // 2))

    def peak_lr(self, hidden_size: int) -> float:
        """The learning rate for a model of that hidden size."""
        width = self.width or (TUNED_WIDTH if self.lr is None else None)
        lr = self.lr if self.lr is not None else DEFAULT_LR[self.form]
        return lr * width / hidden_size if width and self.form == "lora" else lr

    @property
    def minimum_steps(self) -> int:
        if self.steps is not None:
            return self.steps
        return STEPS if self.epochs is None else 1

    def epochs_of(self, answers: int) -> int:
        """How often each of that many answers is trained on."""
        if self.epochs is not None:
            return self.epochs
        return max(EPOCHS, math.ceil(self.minimum_steps * MINIMUM_BATCH / max(1, answers)))

    def rounds_of(self, answers: float) -> int:
        """One round where the minimum of steps decides how long training is: two would halve them."""
        short = self.epochs is None and answers * EPOCHS < 2 * self.minimum_steps * MINIMUM_BATCH
        return 1 if short else self.rounds

    def schedule(self, rows: int, mean_tokens: float, hidden_size: int) -> Schedule:
        """For rows that are met once each, an answer as many times as it is met."""
        batch = min(round(self.batch_tokens / mean_tokens), rows // self.minimum_steps)
        lr = self.peak_lr(hidden_size)
        return Schedule(lr=lr, epochs=1, batch_size=min(rows, max(1, batch)), warmup=0.03, decay="cosine")
