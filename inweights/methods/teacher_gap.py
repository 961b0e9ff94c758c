"""What a teacher knows that the bare model does not, measured on the shots alone."""

import math
from collections.abc import Sequence

import torch

from inweights.models.base import Backbone
from inweights.readouts import LabelWords
from inweights.types import Example, Prompt


@torch.no_grad()
def teacher_gap(model: Backbone, prompt: Prompt, shown: Sequence[Example], batch_tokens: int) -> dict[str, object]:
    """Accuracy with demonstrations and without, as notes; empty where there are too few shots to tell.

    Each half of the shots is asked behind the other half, so the teacher here sees half of what the real one does.
    """
    turn = len(prompt.labels)
    halves = [tuple(e for i, e in enumerate(shown) if (i // turn) % 2 == side) for side in (0, 1)]
    if not all(halves):
        return {}
    teacher = zero = disagree = 0
    for before, asked in (halves, halves[::-1]):
        answers = torch.tensor([example.label for example in asked])
        told = LabelWords(model, prompt, before, batch_tokens=batch_tokens)(asked).argmax(-1) == answers
        bare = LabelWords(model, prompt, batch_tokens=batch_tokens)(asked).argmax(-1) == answers
        teacher, zero, disagree = teacher + int(told.sum()), zero + int(bare.sum()), disagree + int((told != bare).sum())
    gap = (teacher - zero) / len(shown)
    # Paired: only the shots on which the two differ say anything (McNemar).
    noise = 2 * math.sqrt(disagree) / len(shown)
    verdict = "something to distil" if gap > noise else "nothing to distil beyond noise"
    return {
        "teacher_accuracy_on_shots": teacher / len(shown),
        "zero_shot_accuracy_on_shots": zero / len(shown),
        "distillation_gap": gap,
        "distillation_verdict": f"{verdict} (gap {gap:+.2f}, two standard errors {noise:.2f})",
    }
