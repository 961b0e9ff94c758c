"""In-context learning (Brown et al. 2020): the shots go into the prompt, nothing is trained."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from inweights.methods.base import Fitted
from inweights.models.base import LanguageModel
from inweights.readouts import Ensemble, LabelWords
from inweights.scoring import calibration, fitting_demonstrations
from inweights.types import Budget, Example, Prompt, Shots


@dataclass(frozen=True)
class InContext:
    """Demonstrations in random order; where they do not all fit, whole ones are left out, and the notes say so."""

    families: ClassVar[tuple[str, ...]] = ("causal",)
    demonstrations: int | None = None
    """How many shots to show; none: all of them, 0: zero-shot."""
    calibration: Literal["none", "contextual", "batch"] = "none"
    """Contextual (Zhao et al. 2021) by content-free queries, batch (Zhou et al. 2023) by unlabelled inputs."""
    calibration_inputs: int = 64
    """At most so many unlabelled inputs for batch calibration."""
    members: int = 1
    """Ensemble over so many subsets and orders of the demonstrations: the mean of their log-probabilities."""
    reserve_tokens: int = 256
    """Room kept for the query when choosing how many demonstrations fit."""

    def fit(self, model: LanguageModel, prompt: Prompt, shots: Sequence[Shots], budget: Budget) -> list[Fitted]:
        return [self._fit(model, prompt, draw, budget) for draw in shots]

    def _fit(self, model: LanguageModel, prompt: Prompt, shots: Shots, budget: Budget) -> Fitted:
        rng = random.Random(shots.seeds.order)
        room = max(model.card.max_tokens - self.reserve_tokens, model.card.max_tokens // 2)
        wanted = shots.labelled if self.demonstrations is None else shots.labelled[: self.demonstrations]
        fitting = fitting_demonstrations(model, prompt, wanted, room)
        readouts = []
        for _ in range(self.members):
            chosen = self._chosen(fitting, len(prompt.labels), rng)
            offsets = self._offsets(model, prompt, chosen, shots, budget)
            readouts.append(LabelWords(model, prompt, chosen, offsets, budget.batch_tokens))
        used = len(readouts[0].demonstrations)
        notes: dict[str, object] = {"demonstrations": used, "demonstrations_left_out": len(wanted) - len(fitting)}
        return Fitted(readouts[0] if self.members == 1 else Ensemble(tuple(readouts)), notes=notes)

    def _chosen(self, fitting: tuple[Example, ...], labels: int, rng: random.Random) -> tuple[Example, ...]:
        """All in random order; a member of an ensemble shows half of them, balanced, where there are enough."""
        half = len(fitting) // 2
        if self.members == 1 or half < labels:
            return tuple(rng.sample(fitting, len(fitting)))
        by_label = [[e for e in fitting if e.label == label] for label in range(labels)]
        each = [rng.sample(group, min(len(group), max(1, half // labels))) for group in by_label]
        chosen = [example for group in each for example in group]
        return tuple(rng.sample(chosen, len(chosen)))

    @torch.no_grad()
    def _offsets(
        self, model: LanguageModel, prompt: Prompt, chosen: tuple[Example, ...], shots: Shots, budget: Budget
    ) -> tuple[float, ...]:
        context = prompt.context(chosen)
        if self.calibration == "contextual":
            return tuple(calibration.contextual(model, prompt, context, budget.batch_tokens).tolist())
        if self.calibration == "batch":
            inputs = (shots.unlabelled or shots.labelled)[: self.calibration_inputs]
            return tuple(calibration.batch(model, prompt, context, inputs, budget.batch_tokens).tolist())
        return ()
