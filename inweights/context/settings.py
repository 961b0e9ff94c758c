"""How a context is learnt: what is trained, for how long, on how much."""

import math
from dataclasses import dataclass
from typing import Literal

from inweights.training import Schedule
from inweights.types import UserError

Form = Literal["lora", "kv"]
EFFORTS = {"quick": 3.0, "standard": 30.0, "max": 300.0}
"""Synthetic tokens for each token of the context."""
DEFAULT_LR = {"lora": 4e-4, "kv": 1e-2}


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
    epochs: int = 4
    batch_tokens: int = 16384
    """Packed tokens of a step."""
    replay: float = 0.25
    """Share of the tokens trained on that are neutral and conflicting prompts."""
    known: float = 3.0
    """Answers that the context does not change, for each that it does."""
    rounds: int = 2
    """Of asking and training: the later ones ask where the held-out divergence is largest."""
    polish: float = 0.0
    """Share of the steps on the student's own answers, by reverse KL (arXiv 2602.12275)."""
    held_out: float = 0.1
    """Share of the questions that nothing is trained on."""
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = {
            "effort": self.effort <= 0 and "above 0",
            "lr": self.lr is not None and not 0 < self.lr < math.inf and "above 0",
            "rank": self.rank < 1 and "at least 1",
            "epochs": self.epochs < 1 and "at least 1",
            "rounds": self.rounds < 1 and "at least 1",
            "batch_tokens": self.batch_tokens < 1 and "at least 1",
            "replay": not 0 <= self.replay < 1 and "a share below 1",
            "polish": not 0 <= self.polish < 1 and "a share below 1",
            "held_out": not 0 <= self.held_out < 1 and "a share below 1",
            "size": self.size is not None and self.size < 2 and "at least 2",
        }
        for name, wanted in wrong.items():
            if wanted:
                raise UserError(f"{name} is {getattr(self, name)}: {wanted} is wanted")

    def prefix_tokens(self, context_tokens: int) -> int:
        """A sixteenth of the context, within 128 to 2048 and in sixteens; never over half of a short context."""
        if self.size is not None:
            return self.size
        wanted = min(max(128, context_tokens // 16), 2048)
        return max(2, min(wanted // 16 * 16, context_tokens // 2))

    @property
    def peak_lr(self) -> float:
        return self.lr if self.lr is not None else DEFAULT_LR[self.form]

    def schedule(self, rows: int, mean_tokens: float, hidden_size: int) -> Schedule:
        lr = self.peak_lr
        if self.width and self.form == "lora":
            lr = lr * self.width / hidden_size
        batch = min(rows, max(1, round(self.batch_tokens / mean_tokens)))
        return Schedule(lr=lr, epochs=1, batch_size=batch, warmup=0.03, decay="cosine")
