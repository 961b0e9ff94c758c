"""What is read off a backbone: examples in, label scores out. The one thing every method produces."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inweights.models.base import LanguageModel
from inweights.scoring import batches_of, label_scores
from inweights.types import Example, Prompt


class Readout(Protocol):
    """Label scores of examples, fp32 on the CPU; a softmax over the labels makes them probabilities."""

    @property
    def model(self) -> LanguageModel: ...

    @property
    def prompt(self) -> Prompt: ...

    def __call__(self, examples: Sequence[Example]) -> Float[Tensor, "examples labels"]: ...


@dataclass(frozen=True)
class LabelWords:
    """The log-probability of each label's word behind the prompt (Schick & Schütze 2021), less a constant per label."""

    model: LanguageModel
    prompt: Prompt
    demonstrations: tuple[Example, ...] = ()
    """Shown before every query; encoded once."""
    offsets: tuple[float, ...] = ()
    """Subtracted from the labels' scores: a calibration. Empty: none."""
    batch_tokens: int = 8192

    @torch.no_grad()
    def __call__(self, examples: Sequence[Example]) -> Float[Tensor, "examples labels"]:
        if not examples:
            return torch.zeros(0, len(self.prompt.labels))
        context = self.prompt.context(self.demonstrations)
        scores = label_scores(self.model, self.prompt, examples, context, batch_tokens=self.batch_tokens).cpu()
        return scores - torch.tensor(self.offsets) if self.offsets else scores


@dataclass(frozen=True)
class Head:
    """A new linear layer on the hidden state that stands for the whole text ("vanilla" fine-tuning)."""

    model: LanguageModel
    prompt: Prompt
    linear: nn.Linear
    pooling: Literal["own", "mean"] = "own"
    batch_tokens: int = 8192

    @torch.no_grad()
    def __call__(self, examples: Sequence[Example]) -> Float[Tensor, "examples labels"]:
        sequences = self.model.encode([self.prompt.body(example) for example in examples])
        scores = torch.zeros(len(examples), len(self.prompt.labels))
        for batch in batches_of([len(ids) for ids in sequences], self.batch_tokens):
            scores[batch] = self.logits([sequences[i] for i in batch]).cpu()
        return scores

    def logits(self, sequences: Sequence[Sequence[int]]) -> Float[Tensor, "sequences labels"]:
        """With gradients, on the model's device."""
        states: Tensor = self.model.summaries(sequences, self.pooling)
        return self.linear(states)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Ensemble:
    """The mean of its members' label log-probabilities."""

    members: tuple[LabelWords, ...]

    @property
    def model(self) -> LanguageModel:
        return self.members[0].model

    @property
    def prompt(self) -> Prompt:
        return self.members[0].prompt

    def __call__(self, examples: Sequence[Example]) -> Float[Tensor, "examples labels"]:
        return torch.stack([member(examples).log_softmax(-1) for member in self.members]).mean(0)
