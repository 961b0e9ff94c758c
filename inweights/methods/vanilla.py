"""Vanilla fine-tuning: a new head on the hidden state of the whole text; cross-entropy."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inweights.methods.base import Fitted, fitted
from inweights.methods.prepared import Prepared, fit_together, gold, labelled
from inweights.models.base import Backbone
from inweights.models.families import FAMILIES
from inweights.readouts import Head
from inweights.scoring import texts_within
from inweights.training import Job, Schedule, Trace
from inweights.types import Ability, Budget, Prompt, Shots
from inweights.updates import Full, Update, first_changed_block


@dataclass(frozen=True)
class HeadFineTune:
    """Fine-tuning with a new head (Devlin et al. 2019, arXiv 1810.04805): it reads the hidden state of the whole text."""

    needs: ClassVar[frozenset[Ability]] = frozenset({"states", "weights"})
    update: Update = Full()
    schedule: Schedule = Schedule()
    head_lr: float = 3e-3
    """Peak learning rate of the head, which is new whatever the update is."""
    pooling: Literal["auto", "own", "mean"] = "auto"
    """own: the last token of a causal model, the first token of an encoder. mean: the mean over all tokens. auto: own on a
    causal model, mean on an encoder."""
    snapshots: int = 0
    """Number of checkpoints to keep, at equal distances."""

    @classmethod
    def takes(cls, update: Update) -> bool:
        return True  # even without any of the backbone the head is trained

    @classmethod
    def of(cls, update: Update) -> "HeadFineTune":
        return cls(update, update.schedule)

    def fit(self, model: Backbone, prompt: Prompt, shots: Sequence[Shots], budget: Budget) -> list[Fitted]:
        runs = [self.prepared(model, prompt, draw, budget) for draw in shots]
        return fit_together(runs, model.module, budget, self.snapshots)

    def prepared(self, model: Backbone, prompt: Prompt, shots: Shots, budget: Budget) -> Prepared:
        adapted = self.update.apply(model, shots.seeds.init)
        examples = texts_within(adapted.model, prompt, labelled(shots))
        sequences = model.encode([prompt.whole(example) for example in examples])
        answers = torch.tensor(gold(examples), device=model.device)
        schedule = self.schedule.on(model.hidden_size)
        head = new_head(model, len(prompt.labels), shots.seeds.init)
        pooling = _pooling(self.pooling, model)
        names = {f"score.{name}": parameter for name, parameter in head.named_parameters()}
        parameters = {**adapted.parameters, **names}
        scales = {**adapted.lr_scales, **dict.fromkeys(names, self.head_lr / schedule.lr)}

        def loss(rows: Sequence[int], states: Tensor) -> Tensor:
            return F.cross_entropy(head(states), answers[rows], reduction="none")

        def finish(trace: Trace, notes: Mapping[str, object]) -> Fitted:
            readout = Head(adapted.model, prompt, head, pooling, budget.batch_tokens)
            return fitted(readout, parameters, self.update, trace, model, shots.seeds.init, {"lr": schedule.lr, **notes})

        return Prepared(
            model=adapted.model,
            first_block=first_changed_block(model, adapted.parameters),
            job=Job(parameters, range(len(examples)), schedule, shots.seeds, scales, adapted.starts),
            inputs_of=lambda rows: [sequences[row] for row in rows],
            loss=loss,
            finish=finish,
            lengths=list(map(len, sequences)),
            read=pooling,
        )


def new_head(model: Backbone, labels: int, seed: int) -> nn.Linear:
    """Normal weights of the size transformers gives a classifier (0.02); a generator of its own.

    With a bias (zero) where transformers' classifiers on the family have one.
    """
    # `skip_init`: torch's own initialisation would draw from the global generator.
    head: nn.Linear = nn.utils.skip_init(nn.Linear, model.hidden_size, labels, bias=FAMILIES[model.card.family].head_bias)
    generator = torch.Generator().manual_seed(random.Random(f"head {seed}").getrandbits(63))
    nn.init.normal_(head.weight, std=0.02, generator=generator)
    if head.bias is not None:
        nn.init.zeros_(head.bias)
    return head.to(model.device)


def _pooling(setting: Literal["auto", "own", "mean"], model: Backbone) -> Literal["own", "mean"]:
    return FAMILIES[model.card.family].head_pooling if setting == "auto" else setting
