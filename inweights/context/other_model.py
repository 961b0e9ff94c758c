"""Another model that writes the questions, or answers them: loaded for that work, and freed before training."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from inweights.context.template import Template
from inweights.models import load
from inweights.models.base import Backbone
from inweights.models.skeleton import skeleton
from inweights.types import UserError, Weights

TOKENIZED = 'The quick brown fox, 1984: naïve façade?\n\tUne fois - 中文 - 🙂 "quoted" <end>'
"""What tokenizers are told apart by, beside their size."""


@dataclass(frozen=True)
class OtherModel:
    """Raises UserError where it is used and cannot be loaded."""

    weights: Weights
    template: Callable[[Backbone], Template]
    """How questions read to this model."""
    device: str | None = None

    @property
    def name(self) -> str:
        return str(self.weights)

    @contextmanager
    def loaded(self) -> Iterator[tuple[Backbone, Template]]:
        """The model and its template; its memory is free afterwards."""
        model = load(self.weights.name, None if self.weights.dtype == "auto" else self.weights.dtype, self.device)
        try:
            yield model, self.template(model)
        finally:
            del model
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def refuse_unfit(student: Backbone, asker: str, teacher: str) -> None:
    """Before any weights are read. Raises UserError where a model generates no text, or the teacher's tokens are others
    than the student's: its distributions would be over another vocabulary. An empty name is nobody."""
    for option, name in (("--asker", asker), ("--teacher", teacher)):
        if name and "text" not in skeleton(Weights.parse(name).name).card.abilities:
            family = skeleton(Weights.parse(name).name).card.family
            raise UserError(
                f"{option} {name} is of the family {family}: expected a causal language model, which writes text"
            )
    if teacher and tokens_of(skeleton(Weights.parse(teacher).name)) != tokens_of(student):
        raise UserError(
            f"--teacher {teacher} has another tokenizer than {student.card.name}: expected a model with the same tokens, "
            "or give it as --asker, which writes questions only"
        )


def tokens_of(model: Backbone) -> tuple[list[list[int]], int]:
    """What two models with the same tokenizer have in common."""
    return model.encode([TOKENIZED]), len(model.tokenizer)
