"""Pattern-based fine-tuning: the scores of the label words are trained, without a new head."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from inweights.engine.trees import Tree
from inweights.methods.base import Fitted, fitted
from inweights.methods.prepared import Prepared, fit_together, gold, labelled
from inweights.models.base import Backbone
from inweights.readouts import LabelWords
from inweights.scoring import (
    Queries,
    batches_of,
    longest_word,
    only_tokens,
    queries_of,
    token_log_probs,
    word_logits,
    words_within,
)
from inweights.training import Job, Schedule, Trace
from inweights.types import Ability, Budget, Prompt, Shots
from inweights.updates import Frozen, Full, Update, first_changed_block


@dataclass(frozen=True)
class PatternFineTune:
    """Pattern-based fine-tuning (Schick & Schütze 2021, arXiv 2001.07676): label words, no new parameters."""

    needs: ClassVar[frozenset[Ability]] = frozenset({"choices", "weights"})
    update: Update = Full()
    schedule: Schedule = Schedule()
    loss: Literal["labels", "vocabulary"] = "labels"
    """Cross-entropy among the label scores (Gao et al. 2021), or of the label's tokens in the whole vocabulary."""
    unlikelihood: float = 0.0
    """Weight of -log(1 - p) on the tokens of wrong labels (Liu et al. 2022, T-Few)."""
    length_normalised: float = 0.0
    """Weight of the cross-entropy among scores divided by their tokens (T-Few)."""
    snapshots: int = 0
    """Number of checkpoints to keep, at equal distances."""

    @classmethod
    def takes(cls, update: Update) -> bool:
        return not isinstance(update, Frozen)

    @classmethod
    def of(cls, update: Update) -> "PatternFineTune":
        return cls(update, update.schedule)

    def fit(self, model: Backbone, prompt: Prompt, shots: Sequence[Shots], budget: Budget) -> list[Fitted]:
        runs = [self.prepared(model, prompt, draw, budget) for draw in shots]
        return fit_together(runs, model.module, budget, self.snapshots)

    def prepared(self, model: Backbone, prompt: Prompt, shots: Shots, budget: Budget) -> Prepared:
        adapted = self.update.apply(model, shots.seeds.init)
        examples = words_within(adapted.model, prompt, labelled(shots))
        queries = queries_of(model, prompt, examples)
        answers = torch.tensor(gold(examples), device=model.device)
        longest = longest_word([queries])
        schedule = self.schedule.on(model.hidden_size)
        # A softmax among labels of one token each needs no other token's logit.
        plain = self.loss == "labels" and not self.unlikelihood and not self.length_normalised
        words = only_tokens([queries]) if plain else None

        def loss(rows: Sequence[int], logits: Tensor) -> Tensor:
            part = queries.at(rows)
            if words is not None:
                return F.cross_entropy(word_logits(part, logits, words), answers[rows], reduction="none")
            return self.of_scores(token_log_probs(part, logits, longest), answers[rows])

        def finish(trace: Trace, notes: Mapping[str, object]) -> Fitted:
            readout = LabelWords(adapted.model, prompt, batch_tokens=budget.batch_tokens)
            notes = {"lr": schedule.lr, **notes}
            return fitted(readout, adapted.parameters, self.update, trace, model, shots.seeds.init, notes, diagnostics)

        def diagnostics() -> dict[str, object]:
            share = vocabulary_accuracy(adapted.model, queries, gold(examples), budget.batch_tokens)
            return {"vocabulary_accuracy_on_shots": share}

        return Prepared(
            model=adapted.model,
            first_block=first_changed_block(model, adapted.parameters),
            job=Job(adapted.parameters, range(len(examples)), schedule, shots.seeds, adapted.lr_scales, adapted.starts),
            inputs_of=lambda rows: queries.at(rows).trees,
            loss=loss,
            finish=finish,
            lengths=list(map(len, queries.trees)),
            vocabulary=words,
        )

    def of_scores(
        self, tokens: Float[Tensor, "examples labels tokens"], answers: Int[Tensor, " examples"]
    ) -> Float[Tensor, " examples"]:
        """The loss of each example, given log-probabilities that are 0 after the end of short words."""
        scores = tokens.sum(-1)
        if self.loss == "labels":
            value = F.cross_entropy(scores, answers, reduction="none")
        else:
            value = -scores.gather(1, answers[:, None])[:, 0]
        real = tokens < 0
        if self.unlikelihood:
            wrong = real & (torch.arange(scores.shape[1], device=answers.device) != answers[:, None])[..., None]
            # log(1 - p), without log(0) where a wrong token is certain.
            unlikely = -torch.log1p(-tokens.exp().clamp_max(1 - 1e-6))
            value = value + self.unlikelihood * (unlikely * wrong).sum((1, 2)) / wrong.sum((1, 2)).clamp_min(1)
        if self.length_normalised:
            normalised = scores / real.sum(-1).clamp_min(1)
            value = value + self.length_normalised * F.cross_entropy(normalised, answers, reduction="none")
        return value


@torch.no_grad()
def vocabulary_accuracy(model: Backbone, queries: Queries, answers: Sequence[int], batch_tokens: int) -> float:
    """The share of examples whose gold label's first token is the likeliest of the whole vocabulary: a diagnostic."""
    right = 0
    for rows in batches_of([len(tree) for tree in queries.trees], batch_tokens):
        stems = [Tree(queries.trees[row].stem) for row in rows]
        likeliest = model.next_token_logits(stems).argmax(-1).tolist()
        right += sum(token == queries.words[row][answers[row]][0] for row, token in zip(rows, likeliest, strict=True))
    return right / len(answers)
