"""What a teacher knows that the bare model does not, measured on what a method has: the shots and the unlabelled inputs."""

import math
from collections import Counter
from collections.abc import Sequence

import torch

from inweights.models.base import Backbone
from inweights.readouts import LabelWords
from inweights.scoring import LabelTargets
from inweights.scoring.teacher import Targets
from inweights.types import Example, Prompt

PARTS = 8
"""Maximum number of parts of the shots, each asked after all others: so many encodings of the demonstrations."""


@torch.no_grad()
def teacher_gap(model: Backbone, prompt: Prompt, shown: Sequence[Example], batch_tokens: int) -> dict[str, object]:
    """Accuracy with demonstrations and without, as notes; empty where there are too few shots to tell.

    Every part of the shots is asked after all other parts: a teacher with half of the demonstrations can be a good one
    where the whole one gives one answer to everything.
    """
    parts = _parts(shown, len(prompt.labels))
    if len(parts) < 2:
        return {}
    teacher = zero = disagree = 0
    bare = LabelWords(model, prompt, batch_tokens=batch_tokens)
    for asked in parts:
        others = tuple(example for part in parts if part is not asked for example in part)
        answers = torch.tensor([example.label for example in asked])
        taught = LabelWords(model, prompt, others, batch_tokens=batch_tokens)(asked).argmax(-1) == answers
        alone = bare(asked).argmax(-1) == answers
        teacher, zero, disagree = (
            teacher + int(taught.sum()),
            zero + int(alone.sum()),
            disagree + int((taught != alone).sum()),
        )
    gap = (teacher - zero) / len(shown)
    # Paired: only the shots on which the two differ say anything (McNemar).
    noise = 2 * math.sqrt(disagree) / len(shown)
    verdict = "something to distil" if gap > noise else "nothing to distil beyond noise"
    return {
        "teacher_accuracy_on_shots": teacher / len(shown),
        "zero_shot_accuracy_on_shots": zero / len(shown),
        "distillation_gap": gap,
        "distillation_noise": noise,
        "distillation_verdict": f"{verdict} (gap {gap:+.2f}, two standard errors {noise:.2f})",
    }


def pool_answers(targets: Sequence[Targets], labels: Sequence[str]) -> dict[str, object]:
    """The label that the teacher gives most often to the unlabelled inputs, and how often; empty where its targets are not
    over labels. A teacher that gives one answer to everything has nothing to teach."""
    found = [each.log_probs.argmax(-1) for each in targets if isinstance(each, LabelTargets)]
    if not found:
        return {}
    [(label, count)] = Counter(torch.cat(found).tolist()).most_common(1)
    return {"teacher_commonest_on_pool": labels[label], "teacher_commonest_share": count / sum(map(len, found))}


def _parts(shown: Sequence[Example], turn: int) -> list[tuple[Example, ...]]:
    """In whole turns of the labels, so that what is left is balanced."""
    count = min(PARTS, math.ceil(len(shown) / turn))
    return [tuple(e for i, e in enumerate(shown) if (i // turn) % count == part) for part in range(count)]
