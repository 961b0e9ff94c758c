"""Fine-tuning: a readout says what is predicted, an update says what may change."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inweights.methods.base import Fitted
from inweights.models.base import LanguageModel
from inweights.readouts import Head, LabelWords
from inweights.scoring import label_token_log_probs
from inweights.training import Schedule, Trace, minimize
from inweights.types import Budget, Example, Prompt, Shots
from inweights.updates import Adapted, Full, Update


@dataclass(frozen=True)
class HeadFineTune:
    """Vanilla fine-tuning: a new head on the hidden state of the whole text; cross-entropy."""

    families: ClassVar[tuple[str, ...]] = ("causal", "encoder")
    update: Update = Full()
    schedule: Schedule = Schedule()
    head_lr_scale: float = 1.0
    """The head starts from nothing and may learn faster than the backbone."""
    pooling: Literal["own", "mean"] = "own"
    """The last token of a causal model and the first of an encoder, or the mean over all tokens."""

    def fit(self, model: LanguageModel, prompt: Prompt, shots: Sequence[Shots], budget: Budget) -> list[Fitted]:
        return [self._fit(model, prompt, draw, budget) for draw in shots]

    def _fit(self, model: LanguageModel, prompt: Prompt, shots: Shots, budget: Budget) -> Fitted:
        adapted = self.update.apply(model, shots.seeds.init)
        head = new_head(model, len(prompt.labels), shots.seeds.init)
        readout = Head(adapted.model, prompt, head, self.pooling, budget.batch_tokens)
        encoded = model.encode([prompt.body(example) for example in shots.labelled])
        items = [(ids, _gold(example)) for ids, example in zip(encoded, shots.labelled, strict=True)]

        def loss(batch: Sequence[tuple[list[int], int]]) -> Tensor:
            logits = readout.logits([ids for ids, _ in batch])
            return F.cross_entropy(logits, torch.tensor([label for _, label in batch], device=logits.device))

        names = {f"score.{name}": parameter for name, parameter in head.named_parameters()}
        parameters = {**adapted.parameters, **names}
        scales = {**adapted.lr_scales, **dict.fromkeys(names, self.head_lr_scale)}
        trace = minimize(loss, parameters, items, self.schedule, shots.seeds, budget.steps, scales, model.module)
        return Fitted(readout, parameters, self.update, trace.losses, trace.optimizer_bytes)


@dataclass(frozen=True)
class WordFineTune:
    """Pattern-based fine-tuning (Schick & Schütze 2021): label words through the LM head, no new parameters."""

    families: ClassVar[tuple[str, ...]] = ("causal",)
    update: Update = Full()
    schedule: Schedule = Schedule()
    loss: Literal["labels", "vocabulary"] = "labels"
    """Cross-entropy among the label scores (Gao et al. 2021), or of the label's tokens in the whole vocabulary."""
    unlikelihood: float = 0.0
    """Weight of -log(1 - p) on the tokens of wrong labels (Liu et al. 2022, T-Few)."""
    length_normalised: float = 0.0
    """Weight of the cross-entropy among scores divided by their tokens (T-Few)."""

    def fit(self, model: LanguageModel, prompt: Prompt, shots: Sequence[Shots], budget: Budget) -> list[Fitted]:
        return [self._fit(model, prompt, draw, budget) for draw in shots]

    def _fit(self, model: LanguageModel, prompt: Prompt, shots: Shots, budget: Budget) -> Fitted:
        adapted = self.update.apply(model, shots.seeds.init)
        trace = self.train(adapted, model, prompt, shots, budget)
        readout = LabelWords(adapted.model, prompt, batch_tokens=budget.batch_tokens)
        return Fitted(readout, adapted.parameters, self.update, trace.losses, trace.optimizer_bytes)

    def train(self, adapted: Adapted, model: LanguageModel, prompt: Prompt, shots: Shots, budget: Budget) -> Trace:
        def loss(batch: Sequence[Example]) -> Tensor:
            tokens = label_token_log_probs(adapted.model, prompt, batch, batch_tokens=1 << 20)
            gold = torch.tensor([_gold(example) for example in batch], device=tokens.device)
            return self.of_scores(tokens, gold)

        return minimize(
            loss,
            adapted.parameters,
            shots.labelled,
            self.schedule,
            shots.seeds,
            budget.steps,
            adapted.lr_scales,
            model.module,
        )

    def of_scores(self, tokens: Tensor, gold: Tensor) -> Tensor:
        """The loss of [examples, labels, tokens] log-probabilities, 0 behind the end of short words."""
        scores = tokens.sum(-1)
        if self.loss == "labels":
            value = F.cross_entropy(scores, gold)
        else:
            value = -scores.gather(1, gold[:, None]).mean()
        real = tokens < 0
        if self.unlikelihood:
            wrong = real & (torch.arange(scores.shape[1], device=gold.device)[None] != gold[:, None])[..., None]
            # 1 - p in log space, kept off log(0) where a wrong token is certain.
            unlikely = -torch.log1p(-tokens.exp().clamp_max(1 - 1e-6))
            value = value + self.unlikelihood * (unlikely * wrong).sum() / wrong.sum().clamp_min(1)
        if self.length_normalised:
            normalised = scores / real.sum(-1).clamp_min(1)
            value = value + self.length_normalised * F.cross_entropy(normalised, gold)
        return value


def new_head(model: LanguageModel, labels: int, seed: int) -> nn.Linear:
    """Normal weights of the size transformers gives a classifier (0.02), from a generator of its own.

    A bias, zero at first, for encoders alone: transformers' classifiers on causal models have none, and so a fitted
    one is exactly an `AutoModelForSequenceClassification`.
    """
    head = nn.Linear(model.hidden_size, labels, bias=model.card.family == "encoder")
    generator = torch.Generator().manual_seed(random.Random(f"head {seed}").getrandbits(63))
    nn.init.normal_(head.weight, std=0.02, generator=generator)
    if model.card.family == "encoder":
        nn.init.zeros_(head.bias)
    return head.to(next(model.module.parameters()).device)


def _gold(example: Example) -> int:
    assert example.label is not None
    return example.label
