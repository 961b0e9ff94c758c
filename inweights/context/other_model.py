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
"""A text whose tokens tell tokenizers apart, beside their size."""


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
        card = skeleton(Weights.parse(name).name).card if name else student.card
        if "text" not in card.abilities:
            raise UserError(
                f"{option} {name} is of the family {card.family}: expected a causal language model, which writes text"
            )
    if teacher and not _same_tokens(skeleton(Weights.parse(teacher).name), student):
        raise UserError(
            f"--teacher {teacher} has another tokenizer than {student.card.name}: expected a model with the same tokens, "
            "or give it as --asker, which writes questions only"
        )


def _same_tokens(one: Backbone, other: Backbone) -> bool:
    same = one.tokenizer.get_vocab() == other.tokenizer.get_vocab()
    return bool(same) and tokens_of(one) == tokens_of(other)


def tokens_of(model: Backbone) -> tuple[list[list[int]], int]:
    """What two models with the same tokenizer have in common."""
    return model.encode([TOKENIZED]), len(model.tokenizer)
