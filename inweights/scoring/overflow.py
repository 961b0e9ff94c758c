"""Which demonstrations fit in front of the longest query: whole ones are left out, text is never cut."""

from collections.abc import Sequence

from inweights.models.base import LanguageModel
from inweights.types import Example, Prompt


def fitting_demonstrations(
    model: LanguageModel, prompt: Prompt, demonstrations: Sequence[Example], room: int
) -> tuple[Example, ...]:
    """As many demonstrations from the front as fit `room` tokens, in whole turns of the labels.

    Drawn label by label in turn, every whole turn is balanced. `room`: the context window less the longest query.
    """
    kept = list(demonstrations)
    turn = len(prompt.labels)
    while kept and len(model.encode([prompt.context(kept)])[0]) > room:
        kept = kept[: max(0, (len(kept) - 1) // turn * turn)]
    return tuple(kept)
