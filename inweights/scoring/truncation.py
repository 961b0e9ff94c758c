"""What to do where a prompt is longer than the context window: whole demonstrations go, text is cut inside a field."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from inweights.models.base import Backbone
from inweights.types import Example, Prompt, UserError


def fitting_demonstrations(
    model: Backbone, prompt: Prompt, demonstrations: Sequence[Example], room: int
) -> tuple[Example, ...]:
    """As many demonstrations from the front as fit `room` tokens, in whole turns of the labels.

    Drawn label by label in turn, every whole turn is balanced. `room`: the context window less the longest query.
    """
    kept = list(demonstrations)
    turn = len(prompt.labels)
    while kept and len(model.encode([prompt.context(kept)])[0]) > room:
        kept = kept[: (len(kept) - 1) // turn * turn]
    return tuple(kept)


def fitting_example(model: Backbone, prompt: Prompt, example: Example, room: int) -> Example:
    """The example with words taken off the end of its longest fields until its text has at most `room` tokens.

    As many words of every field are kept as can be, the same number of each that has more; characters where words are
    too long for that, as in Chinese. The pattern stays whole. Raises UserError where it does not fit by itself.
    """

    def tokens(short: Example) -> int:
        return len(model.encode([prompt.whole(short)])[0])

    if tokens(example) <= room:
        return example
    for cut, fewest in ((_words, 1), (_characters, 0)):
        if tokens(_shortened(example, cut, fewest)) > room:
            continue
        low, high = fewest, max(len(text) for text in example.fields.values())
        while low + 1 < high:  # `low` fit, `high` do not
            middle = (low + high) // 2
            fits = tokens(_shortened(example, cut, middle)) <= room
            low, high = (middle, high) if fits else (low, middle)
        return _shortened(example, cut, low)
    raise UserError(
        f"the text around the fields takes {tokens(_shortened(example, _characters, 0)):,} tokens "
        f"and there is room for {room:,}: take a shorter pattern, or a model with a longer context window"
    )


def _words(text: str, most: int) -> str:
    words = text.split()
    return text if len(words) <= most else " ".join(words[:most])


def _characters(text: str, most: int) -> str:
    return text[:most]


def _shortened(example: Example, cut: Callable[[str, int], str], most: int) -> Example:
    return replace(example, fields={name: cut(text, most) for name, text in example.fields.items()})
