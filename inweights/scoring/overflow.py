"""What to do where a prompt is longer than the context window: whole demonstrations go, text is cut inside a field."""

from collections.abc import Sequence
from dataclasses import replace

from inweights.models.base import LanguageModel
from inweights.types import Example, Prompt, UserError


def fitting_demonstrations(
    model: LanguageModel, prompt: Prompt, demonstrations: Sequence[Example], room: int
) -> tuple[Example, ...]:
    """As many demonstrations from the front as fit `room` tokens, in whole turns of the labels.

    Drawn label by label in turn, every whole turn is balanced. `room`: the context window less the longest query.
    """
    kept = list(demonstrations)
    turn = len(prompt.labels)
    while kept and len(model.encode([prompt.context(kept)])[0]) > room:
        kept = kept[: (len(kept) - 1) // turn * turn]
    return tuple(kept)


def fitting_example(model: LanguageModel, prompt: Prompt, example: Example, room: int) -> Example:
    """The example with words taken off the end of its longest field until its text has at most `room` tokens.

    The pattern and the other fields stay whole. Raises UserError where they do not fit by themselves.
    """

    def tokens(short: Example) -> int:
        return len(model.encode([prompt.body(short)])[0])

    if tokens(example) <= room:
        return example
    name = max(prompt.field_names, key=lambda field: len(example.fields[field]), default=None)
    if name is None or tokens(_shortened(example, name, 0)) > room:
        raise UserError(
            f"the text around the longest field takes {tokens(_shortened(example, name, 0)) if name else 0:,} tokens "
            f"and there is room for {room:,}: take a shorter pattern, or a model with a longer context window"
        )
    low, high = 0, len(example.fields[name].split())
    while low + 1 < high:  # `low` words fit, `high` do not
        middle = (low + high) // 2
        fits = tokens(_shortened(example, name, middle)) <= room
        low, high = (middle, high) if fits else (low, middle)
    return _shortened(example, name, low)


def _shortened(example: Example, field: str, words: int) -> Example:
    return replace(example, fields={**example.fields, field: " ".join(example.fields[field].split()[:words])})
