"""Readouts: examples in, label scores out. Every method produces one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inweights.models.base import Backbone
from inweights.scoring import batches_of, label_scores_of_each, texts_within, tokens_at_once, words_within
from inweights.scoring.truncation import demonstrations_per_label, first_of_each_label, most_of_a_label
from inweights.types import Example, Prompt


class Readout(Protocol):
    """Label scores of examples, fp32 on the CPU; a softmax over the labels makes them probabilities.

    Every example is scored, however long it is, and by itself: its scores do not depend on its batch.
    """

    @property
    def model(self) -> Backbone: ...

    @property
    def prompt(self) -> Prompt: ...

    def __call__(self, examples: Sequence[Example]) -> Float[Tensor, "examples labels"]: ...

    def fallbacks(self, examples: Sequence[Example]) -> dict[str, int]:
        """The number of examples that are too long to be scored as they are, by what is done about it; empty for none."""
        ...


@dataclass(frozen=True)
class LabelWords:
    """The log-probability of each label's word after the prompt (Schick & Schütze 2021), minus a constant per label."""

    model: Backbone
    prompt: Prompt
    demonstrations: tuple[Example, ...] = ()
    """Precede every query; encoded once."""
    offsets: tuple[float, ...] = ()
    """Subtracted from the labels' scores: a calibration, fixed when the method was fitted. Empty: none."""
    batch_tokens: int = 8192

    @torch.no_grad()
    def __call__(self, examples: Sequence[Example]) -> Float[Tensor, "examples labels"]:
        return _scored([self], examples)[0]

    def by_context(self, examples: Sequence[Example]) -> Iterator[tuple[list[int], list[Example], str]]:
        """Groups of examples with one context: their rows, the examples made to fit, and the context. Long examples have
        fewer demonstrations in it."""
        within = words_within(self.model, self.prompt, examples)
        counts = self._shown_per_label(within)
        for count, group in groupby(sorted(range(len(within)), key=counts.__getitem__), counts.__getitem__):
            rows = list(group)
            yield rows, [within[row] for row in rows], self.prompt.context(first_of_each_label(self.demonstrations, count))

    def fallbacks(self, examples: Sequence[Example]) -> dict[str, int]:
        within = words_within(self.model, self.prompt, examples)
        cut = sum(long is not short for long, short in zip(examples, within, strict=True))
        most = most_of_a_label(self.demonstrations)
        fewer = sum(count < most for count in self._shown_per_label(within))
        return {k: n for k, n in {"shortened": cut, "with fewer demonstrations": fewer}.items() if n}

    def _shown_per_label(self, examples: Sequence[Example]) -> list[int]:
        return demonstrations_per_label(self.model, self.prompt, self.demonstrations, examples)


@dataclass(frozen=True)
class Head:
    """A new linear layer on the hidden state that stands for the whole text ("vanilla" fine-tuning)."""

    model: Backbone
    prompt: Prompt
    linear: nn.Linear
    pooling: Literal["own", "mean"] = "own"
    batch_tokens: int = 8192

    @torch.no_grad()
    def __call__(self, examples: Sequence[Example]) -> Float[Tensor, "examples labels"]:
        scores = torch.zeros(len(examples), len(self.prompt.labels))
        within = texts_within(self.model, self.prompt, examples)
        sequences = self.model.encode([self.prompt.whole(example) for example in within]) if within else []
        maximum = tokens_at_once(self.batch_tokens, self.model.hidden_size, self.linear.weight.device.type)
        for batch in batches_of([len(ids) for ids in sequences], maximum):
            scores[batch] = self.logits([sequences[i] for i in batch]).cpu()
        return scores

    def logits(self, sequences: Sequence[Sequence[int]]) -> Float[Tensor, "sequences labels"]:
        """With gradients, on the model's device."""
        states: Tensor = self.model.summaries(sequences, self.pooling)
        return self.linear(states)  # type: ignore[no-any-return]

    def fallbacks(self, examples: Sequence[Example]) -> dict[str, int]:
        within = texts_within(self.model, self.prompt, examples)
        cut = sum(long is not short for long, short in zip(examples, within, strict=True))
        return {"shortened": cut} if cut else {}


@dataclass(frozen=True)
class Ensemble:
    """The mean of its members' label log-probabilities."""

    members: tuple[LabelWords, ...]

    @property
    def model(self) -> Backbone:
        return self.members[0].model

    @property
    def prompt(self) -> Prompt:
        return self.members[0].prompt

    def __call__(self, examples: Sequence[Example]) -> Float[Tensor, "examples labels"]:
        with torch.no_grad():
            scores = _scored(self.members, examples)
        return torch.stack([each.log_softmax(-1) for each in scores]).mean(0)

    def fallbacks(self, examples: Sequence[Example]) -> dict[str, int]:
        return self.members[0].fallbacks(examples)


def _scored(members: Sequence[LabelWords], examples: Sequence[Example]) -> list[Float[Tensor, "examples labels"]]:
    """The scores of each member. Their contexts share forward passes; they have one backbone and one prompt."""
    first = members[0]
    groups = [(number, *group) for number, member in enumerate(members) for group in member.by_context(examples)]
    tables = label_scores_of_each(
        first.model, first.prompt, [(some, context) for _, _, some, context in groups], batch_tokens=first.batch_tokens
    )
    scores = [torch.zeros(len(examples), len(first.prompt.labels)) for _ in members]
    for (number, rows, _, _), table in zip(groups, tables, strict=True):
        scores[number][rows] = table.cpu()
    offsets = [torch.tensor(member.offsets or [0.0]) for member in members]
    return [table - offset for table, offset in zip(scores, offsets, strict=True)]
