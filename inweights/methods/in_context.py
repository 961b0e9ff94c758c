"""In-context learning: the shots are demonstrations in the prompt, and nothing is trained."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.methods.base import Fitted
from inweights.models.base import Backbone
from inweights.readouts import Ensemble, LabelWords
from inweights.scoring import fitting_demonstrations, longest_word_tokens, words_within
from inweights.scoring.labels import label_logits
from inweights.scoring.truncation import by_label
from inweights.types import Ability, Budget, Example, Prompt, Shots, UserError


@dataclass(frozen=True)
class InContext:
    """In-context learning (Brown et al. 2020, arXiv 2005.14165): demonstrations in random order.

    Demonstrations that do not fit are left out.
    """

    needs: ClassVar[frozenset[Ability]] = frozenset({"choices"})
    demonstrations: int | None = None
    """Number of shots in the prompt; none: all of them, 0: zero-shot."""
    calibration: Literal["none", "contextual", "batch"] = "none"
    """Contextual (Zhao et al. 2021) by content-free queries, batch (Zhou et al. 2023) by unlabelled inputs."""
    calibration_inputs: int = 64
    """Maximum number of unlabelled inputs for batch calibration."""
    members: int = 1
    """Size of an ensemble over subsets and orders of the demonstrations: the mean of their log-probabilities."""
    share: float = 0.5
    """Share of the demonstrations that one member of an ensemble shows."""

    def __post_init__(self) -> None:
        if self.demonstrations is not None and self.demonstrations < 0:
            raise UserError(f"demonstrations is {self.demonstrations}: expected at least 0")
        if self.members < 1 or self.calibration_inputs < 1 or not 0 < self.share <= 1:
            raise UserError("members and calibration_inputs are at least 1, share is above 0 and at most 1")

    @property
    def independent_of_draws(self) -> bool:
        """Zero-shot, unless it is calibrated on inputs that are drawn."""
        return self.demonstrations == 0 and self.calibration != "batch"

    def fit(self, model: Backbone, prompt: Prompt, shots: Sequence[Shots], budget: Budget) -> list[Fitted]:
        return [self._fit(model, prompt, draw, budget) for draw in shots]

    def _fit(self, model: Backbone, prompt: Prompt, shots: Shots, budget: Budget) -> Fitted:
        rng = random.Random(shots.seeds.order)
        chosen = shots.labelled[: self.demonstrations]
        fitting = fitting_demonstrations(model, prompt, chosen, room_beside_queries(model, prompt, shots))
        if chosen and not fitting:
            raise UserError(
                f"none of {len(chosen)} demonstrations fits the context window of {model.card.max_tokens:,} tokens "
                "beside the queries: take zero-shot, a method that trains, or a model with a longer context window"
            )
        readouts = []
        for _ in range(self.members):
            shown = self._chosen(fitting, len(prompt.labels), rng)
            offsets = self._offsets(model, prompt, shown, shots, budget)
            readouts.append(LabelWords(model, prompt, shown, offsets, budget.batch_tokens))
        notes: dict[str, object] = {
            "demonstrations": len(readouts[0].demonstrations),
            "demonstrations_left_out": len(chosen) - len(fitting),
        }
        if self.calibration != "none":
            notes["calibration"] = [[round(offset, 4) for offset in each.offsets] for each in readouts]
        return Fitted(readouts[0] if self.members == 1 else Ensemble(tuple(readouts)), notes=notes)

    def _chosen(self, fitting: tuple[Example, ...], labels: int, rng: random.Random) -> tuple[Example, ...]:
        """All in random order; for a member of an ensemble a balanced share of them, if there are enough."""
        per_label = round(self.share * len(fitting) / labels)
        if self.members == 1 or not per_label:
            return tuple(rng.sample(fitting, len(fitting)))
        chosen = [example for group in by_label(fitting) for example in rng.sample(group, min(len(group), per_label))]
        return tuple(rng.sample(chosen, len(chosen)))

    @torch.no_grad()
    def _offsets(
        self, model: Backbone, prompt: Prompt, chosen: tuple[Example, ...], shots: Shots, budget: Budget
    ) -> tuple[float, ...]:
        if self.calibration == "contextual":
            context = prompt.context(chosen)
            return tuple(contextual_offsets(model, prompt, context, budget.batch_tokens).tolist())
        if self.calibration == "batch":
            inputs = (shots.unlabelled or shots.labelled)[: self.calibration_inputs]
            if not inputs:
                raise UserError("batch calibration needs inputs: give shots, or unlabelled inputs with --unlabelled")
            # Scored by the readout itself, so that long inputs are scored as they will be.
            scores = LabelWords(model, prompt, chosen, batch_tokens=budget.batch_tokens)(inputs)
            return tuple(batch_offsets(scores).tolist())
        return ()


def room_beside_queries(model: Backbone, prompt: Prompt, shots: Shots) -> int:
    """Tokens for demonstrations, so that 19 of 20 of the known inputs fit after them with the longest label word.

    Longer queries get fewer demonstrations from the readout; one long input does not reduce those of all others.
    """
    known = words_within(model, prompt, [*shots.labelled, *shots.unlabelled])
    lengths = sorted(len(ids) for ids in model.encode([prompt.body(example) for example in known])) or [0]
    return model.card.max_tokens - lengths[int(0.95 * (len(lengths) - 1))] - longest_word_tokens(model, prompt)


CONTENT_FREE = ("N/A", "[MASK]", "")


def contextual_offsets(model: Backbone, prompt: Prompt, context: str, batch_tokens: int = 8192) -> Float[Tensor, " labels"]:
    """Log of the mean label distribution of content-free queries, every field filled alike (Zhao et al. 2021)."""
    empty = [Example(dict.fromkeys(prompt.field_names, text)) for text in CONTENT_FREE]
    # A pattern of nothing but fields is an empty text where they are empty, and an empty text has no logits to read.
    empty = [example for example in empty if prompt.body(example).strip()]
    [scores] = label_logits(model, prompt, [(empty, context)], batch_tokens=batch_tokens)
    return scores.log_softmax(-1).exp().mean(0).log()


def batch_offsets(scores: Float[Tensor, "inputs labels"]) -> Float[Tensor, " labels"]:
    """Mean label log-probabilities over the scores of a batch of unlabelled inputs (Zhou et al. 2023).

    The paper's batch is the test set; here it is a fixed set of inputs from the training side, so that
    the score of an example does not depend on the other queries.
    """
    return scores.log_softmax(-1).mean(0)
