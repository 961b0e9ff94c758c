"""Context distillation: answer without the demonstrations as if they were shown.

The teacher is the unchanged backbone with demonstrations in its prompt, the student the same weights with an update on and
without demonstrations. The demonstrations' labels have an effect only through the teacher.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from inweights.methods.base import Fitted, fitted
from inweights.methods.distillation_loss import DistillationLoss
from inweights.methods.generation import generated_inputs
from inweights.methods.in_context import room_beside_queries
from inweights.methods.prepared import Prepared, fit_together, labelled
from inweights.methods.teacher_gap import pool_answers, teacher_gap
from inweights.models.base import Backbone
from inweights.readouts import LabelWords
from inweights.scoring import fitting_demonstrations, teacher_targets, words_within
from inweights.training import Job, Schedule, Trace
from inweights.types import Ability, Budget, Example, Prompt, Shots, UserError
from inweights.updates import Frozen, Full, Update, first_changed_block


@dataclass(frozen=True)
class ContextDistillation:
    """Context distillation (Askell et al. 2021, arXiv 2112.00861): KL(teacher || student) at the answer."""

    needs: ClassVar[frozenset[Ability]] = frozenset({"choices", "weights"})
    update: Update = Full()
    schedule: Schedule = Schedule()
    targets: Literal["labels", "top_k", "vocabulary"] = "labels"
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
    teacher_labels: Literal["gold", "shuffled"] = "gold"
    """Shuffled: the control, a teacher whose demonstrations have each other's labels."""

    def __post_init__(self) -> None:
        if min(self.top_k, self.contexts, self.pool_size) < 1 or not 0 < self.share <= 1 or self.gold_weight < 0:
            raise UserError(
                "top_k, contexts and pool_size are at least 1, share is above 0 and at most 1, gold_weight at least 0"
            )

    @classmethod
    def takes(cls, update: Update) -> bool:
        return not isinstance(update, Frozen)

    @classmethod
    def of(cls, update: Update) -> "ContextDistillation":
        # The pool is larger than the shots: fewer epochs make as many steps. A divergence is small long before the student
        # is as near to its teacher as it gets, so that training does not stop early.
        usual = update.schedule
        epochs, batch = max(1, usual.epochs // 2), 2 * usual.batch_size
        return cls(update, replace(usual, epochs=epochs, batch_size=batch, stop_loss=0.0))

    def fit(self, model: Backbone, prompt: Prompt, shots: Sequence[Shots], budget: Budget) -> list[Fitted]:
        runs = [self.prepared(model, prompt, draw, budget) for draw in shots]
        return fit_together(runs, model.module, budget)

    def prepared(self, model: Backbone, prompt: Prompt, shots: Shots, budget: Budget) -> Prepared:
        shown = self._demonstrations(model, prompt, shots)
        pool, source = self._pool(model, prompt, shots, shown)
        contexts = self._contexts(prompt, shown, shots)
        assert all(contexts), "a teacher that sees what the student sees"
        targets = teacher_targets(model, prompt, contexts, pool, self.targets, self.top_k, batch_tokens=budget.batch_tokens)
        learned = words_within(model, prompt, shots.labelled) if self.gold_weight else []
        rng = random.Random(f"contexts {shots.seeds.order}")
        student = DistillationLoss(model, prompt, targets, pool, learned, self.gold_weight, rng)
        schedule = self.schedule.on(model.hidden_size)
        adapted = self.update.apply(model, shots.seeds.init)

        def gap() -> dict[str, object]:
            return teacher_gap(model, prompt, shown, budget.batch_tokens) | pool_answers(targets, prompt.labels)

        def finish(trace: Trace, how: Mapping[str, object]) -> Fitted:
            notes = {
                "lr": schedule.lr,
                "pool": len(pool),
                "pool_from": source,
                "demonstrations": len(shown),
                "demonstrations_left_out": len(shots.labelled) - len(shown),
                **how,
            }
            readout = LabelWords(adapted.model, prompt, batch_tokens=budget.batch_tokens)
            return fitted(readout, adapted.parameters, self.update, trace, model, shots.seeds.init, notes, gap)

        return Prepared(
            model=adapted.model,
            first_block=first_changed_block(model, adapted.parameters),
            job=Job(adapted.parameters, student.rows, schedule, shots.seeds, adapted.lr_scales, adapted.starts),
            inputs_of=student.trees,
            loss=student.loss,
            finish=finish,
            lengths=student.lengths,
            vocabulary=student.vocabulary,
        )

    def _demonstrations(self, model: Backbone, prompt: Prompt, shots: Shots) -> tuple[Example, ...]:
        read = replace(shots, unlabelled=shots.unlabelled[: self.pool_size])
        room = room_beside_queries(model, prompt, read)
        shown = fitting_demonstrations(model, prompt, labelled(shots), room)
        if not shown:
            raise UserError(
                f"no demonstration fits beside a query in the {model.card.max_tokens:,} tokens that {model.card.name} "
                "reads: shorten the texts or take a model with a longer context window"
            )
        return shown

    def _contexts(self, prompt: Prompt, shown: tuple[Example, ...], shots: Shots) -> list[str]:
        rng = random.Random(shots.seeds.order)
        if self.teacher_labels == "shuffled":
            labels = rng.sample([example.label for example in shown], len(shown))
            shown = tuple(replace(example, label=label) for example, label in zip(shown, labels, strict=True))
        size = max(1, round(self.share * len(shown)))
        return [prompt.context(rng.sample(shown, size)) for _ in range(self.contexts)]

    def _pool(self, model: Backbone, prompt: Prompt, shots: Shots, shown: Sequence[Example]) -> tuple[list[Example], str]:
        """The inputs, and where they come from."""
        if self.pool == "unlabelled" and shots.unlabelled:
            # The teacher reads each input after demonstrations; inputs that are too long for that are cut for both.
            before = len(model.encode([prompt.context(shown)])[0])
            return words_within(model, prompt, shots.unlabelled[: self.pool_size], before), "unlabelled"
        made = generated_inputs(model, replace(prompt, chat=None), shown, self.pool_size, shots.seeds.order)
        if len(made) < 2:
            raise UserError(
                f"{model.card.name} wrote {len(made)} inputs that read as the pattern: give some with --unlabelled"
            )
        return made, "generated"
