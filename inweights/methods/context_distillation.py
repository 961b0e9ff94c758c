"""Context distillation (Askell et al. 2021, arXiv 2112.00861): answer without the demonstrations as if they were shown.

The teacher is the untouched backbone with demonstrations in front, the student the same weights with an update on and
nothing in front. The demonstrations' labels act only through the teacher.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from inweights.methods.base import Fitted
from inweights.methods.generation import generated_inputs
from inweights.models.base import LanguageModel
from inweights.readouts import LabelWords
from inweights.scoring import fitting_demonstrations, label_scores
from inweights.scoring.divergence import kl
from inweights.scoring.teacher import Answers, answers
from inweights.training import Schedule, minimize
from inweights.types import Budget, Example, Prompt, Shots, UserError
from inweights.updates import Adapted, Full, Update

Item = tuple[int, Example]
"""An input and its row in the teacher's targets; -1: a labelled shot, for the cross-entropy."""


@dataclass(frozen=True)
class ContextDistillation:
    """Minimises KL(teacher || student) at the answer, in fp32."""

    families: ClassVar[tuple[str, ...]] = ("causal",)
    update: Update = Full()
    schedule: Schedule = Schedule()
    targets: Literal["labels", "top-k", "vocabulary"] = "labels"
    """Over the label words, over the teacher's likeliest tokens and one cell for the rest, or over all tokens."""
    top_k: int = 50
    contexts: int = 4
    """Subsets and orders of the demonstrations; each step takes one per input, so that the student learns the mean."""
    share: float = 1.0
    """Of the shots shown in each context."""
    pool: Literal["unlabelled", "generated"] = "unlabelled"
    """Inputs to distil on: the user's or the rest of the training file without labels, or written by the model."""
    pool_size: int = 128
    gold_weight: float = 0.0
    """Weight of the cross-entropy on the labelled shots; above 0 it is more than distillation."""
    shuffle_labels: Literal["no", "yes"] = "no"
    """Control: a teacher whose demonstrations have their labels shuffled."""
    reserve_tokens: int = 256

    def fit(self, model: LanguageModel, prompt: Prompt, shots: Sequence[Shots], budget: Budget) -> list[Fitted]:
        return [self._fit(model, prompt, draw, budget) for draw in shots]

    def _fit(self, model: LanguageModel, prompt: Prompt, shots: Shots, budget: Budget) -> Fitted:
        contexts = self._contexts(model, prompt, shots)
        pool = self._pool(model, prompt, shots)
        adapted = self.update.apply(model, shots.seeds.init)
        loss = self._loss(model, adapted, prompt, contexts, pool, shots, budget)
        items: list[Item] = list(enumerate(pool))
        if self.gold_weight:
            items += [(-1, example) for example in shots.labelled]
        trace = minimize(
            loss, adapted.parameters, items, self.schedule, shots.seeds, budget.steps, adapted.lr_scales, model.module
        )
        notes = {"pool": len(pool), "pool_from": self._pool_source(shots), **self._gap(model, prompt, shots, budget)}
        readout = LabelWords(adapted.model, prompt, batch_tokens=budget.batch_tokens)
        return Fitted(readout, adapted.parameters, self.update, trace.losses, trace.optimizer_bytes, notes)

    def _contexts(self, model: LanguageModel, prompt: Prompt, shots: Shots) -> list[str]:
        rng = random.Random(shots.seeds.order)
        room = max(model.card.max_tokens - self.reserve_tokens, model.card.max_tokens // 2)
        fitting = list(fitting_demonstrations(model, prompt, shots.labelled, room))
        if not fitting:
            raise UserError(f"no demonstration fits the {model.card.max_tokens} tokens {model.card.name} reads")
        if self.shuffle_labels == "yes":
            labels = rng.sample([example.label for example in fitting], len(fitting))
            fitting = [replace(example, label=label) for example, label in zip(fitting, labels, strict=True)]
        size = max(1, round(self.share * len(fitting)))
        return [prompt.context(rng.sample(fitting, size)) for _ in range(self.contexts)]

    def _pool_source(self, shots: Shots) -> str:
        return "unlabelled" if self.pool == "unlabelled" and shots.unlabelled else "generated"

    def _pool(self, model: LanguageModel, prompt: Prompt, shots: Shots) -> list[Example]:
        if self._pool_source(shots) == "unlabelled":
            return list(shots.unlabelled[: self.pool_size])
        made = generated_inputs(model, prompt, shots.labelled, self.pool_size, shots.seeds.order)
        if len(made) < 2:
            raise UserError(
                f"{model.card.name} wrote {len(made)} inputs that read as the pattern: give a file with --unlabelled"
            )
        return made

    def _loss(
        self,
        model: LanguageModel,
        adapted: Adapted,
        prompt: Prompt,
        contexts: Sequence[str],
        pool: Sequence[Example],
        shots: Shots,
        budget: Budget,
    ) -> Callable[[Sequence[Item]], Tensor]:
        """Targets are computed here, once, by the unpatched model with each context encoded once."""
        rng = random.Random(f"contexts {shots.seeds.order}")
        targets = [self._targets(model, prompt, pool, context, budget) for context in contexts]

        def loss(batch: Sequence[Item]) -> Tensor:
            inputs = [(row, example) for row, example in batch if row >= 0]
            total = torch.zeros((), device=next(iter(adapted.parameters.values())).device)
            if inputs:
                chosen = [rng.randrange(len(targets)) for _ in inputs]
                total = total + self._divergence(adapted, prompt, inputs, [targets[c] for c in chosen]).mean()
            labelled = [example for row, example in batch if row < 0]
            if labelled:
                scores = label_scores(adapted.model, prompt, labelled, batch_tokens=1 << 20)
                gold = torch.tensor([example.label for example in labelled], device=scores.device)
                total = total + self.gold_weight * F.cross_entropy(scores, gold)
            return total

        return loss

    @torch.no_grad()
    def _targets(
        self, model: LanguageModel, prompt: Prompt, pool: Sequence[Example], context: str, budget: Budget
    ) -> Tensor | Answers:
        if self.targets == "labels":
            return label_scores(model, prompt, pool, context, batch_tokens=budget.batch_tokens).log_softmax(-1)
        told = answers(model, prompt, pool, context, batch_tokens=budget.batch_tokens)
        return told.top(self.top_k) if self.targets == "top-k" else told

    def _divergence(
        self, adapted: Adapted, prompt: Prompt, inputs: Sequence[Item], targets: Sequence[Tensor | Answers]
    ) -> Tensor:
        examples = [example for _, example in inputs]
        if self.targets == "labels":
            student = label_scores(adapted.model, prompt, examples, batch_tokens=1 << 20).log_softmax(-1)
            told = torch.stack([target[row] for (row, _), target in zip(inputs, targets, strict=True)])  # type: ignore
            return kl(told, student)
        said = answers(adapted.model, prompt, examples, batch_tokens=1 << 20).log_probs
        rows = [
            target.at(torch.tensor([row])).kl_to(said[i : i + 1])  # type: ignore[union-attr]
            for i, ((row, _), target) in enumerate(zip(inputs, targets, strict=True))
        ]
        return torch.cat(rows)

    @torch.no_grad()
    def _gap(self, model: LanguageModel, prompt: Prompt, shots: Shots, budget: Budget) -> dict[str, object]:
        """Teacher and zero-shot accuracy on the shots: each half of them scored behind the other half."""
        turn = len(prompt.labels)
        halves = [[e for i, e in enumerate(shots.labelled) if (i // turn) % 2 == side] for side in (0, 1)]
        if not all(halves):
            return {}
        right = {"teacher_accuracy": 0, "zero_shot_accuracy": 0}
        for shown, asked in (halves, halves[::-1]):
            gold = torch.tensor([example.label for example in asked])
            for name, context in (("teacher_accuracy", prompt.context(shown)), ("zero_shot_accuracy", "")):
                scores = label_scores(model, prompt, asked, context, batch_tokens=budget.batch_tokens)
                right[name] += int((scores.argmax(-1).cpu() == gold).sum())
        count = len(shots.labelled)
        teacher, zero = right["teacher_accuracy"] / count, right["zero_shot_accuracy"] / count
        error = math.sqrt(max(teacher * (1 - teacher), zero * (1 - zero), 1e-9) * 2 / count)
        verdict = "something to distil" if teacher - zero > 2 * error else "nothing to distil beyond noise"
        return {
            "teacher_accuracy_on_shots": teacher,
            "zero_shot_accuracy_on_shots": zero,
            "distillation_gap": teacher - zero,
            "distillation_verdict": f"{verdict} (gap {teacher - zero:+.2f}, two standard errors {2 * error:.2f})",
        }
