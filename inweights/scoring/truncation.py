"""Prompts that are longer than the context window: whole demonstrations are left out, texts are cut inside a field."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from inweights.models.base import Backbone
from inweights.models.queries import longest_choice
from inweights.types import Example, Prompt, UserError


def fitting_demonstrations(
    model: Backbone, prompt: Prompt, demonstrations: Sequence[Example], room: int
) -> tuple[Example, ...]:
    """The first demonstrations that fit `room` tokens, in whole turns of the labels.

    Demonstrations are drawn label by label in turn, so that whole turns are balanced. `room`: the context window less the
    longest query.
    """
    kept = list(demonstrations)
    turn = len(prompt.labels)
    while kept and len(model.encode([prompt.context(kept)])[0]) > room:
        kept = kept[: (len(kept) - 1) // turn * turn]  # the last turn goes, or what there is of it
    return tuple(kept)


def demonstrations_per_label(
    model: Backbone, prompt: Prompt, demonstrations: Sequence[Example], examples: Sequence[Example]
) -> list[int]:
    """For each example the number of demonstrations of each label that fit before it."""
    most = most_of_a_label(demonstrations)
    if not most or not examples:
        return [0] * len(examples)
    longest_word = longest_word_tokens(model, prompt)
    queries = model.encode([prompt.body(example) for example in examples])
    room = [model.card.max_tokens - len(ids) - longest_word for ids in queries]

    def tokens(count: int) -> int:
        return len(model.encode([prompt.context(first_of_each_label(demonstrations, count))])[0])

    # All demonstrations nearly always fit, so that the contexts between none and all are rarely tokenised.
    lengths = {0: tokens(0), most: tokens(most)}
    if lengths[most] > min(room):
        lengths |= {count: tokens(count) for count in range(1, most)}
    return [max((count for count, length in lengths.items() if length <= free), default=0) for free in room]


def first_of_each_label(demonstrations: Sequence[Example], count: int) -> tuple[Example, ...]:
    """The first `count` demonstrations of every label, in order: the labels stay balanced."""
    first = {id(example) for group in by_label(demonstrations) for example in group[:count]}
    return tuple(example for example in demonstrations if id(example) in first)


def most_of_a_label(demonstrations: Sequence[Example]) -> int:
    return max((len(group) for group in by_label(demonstrations)), default=0)


def words_within(model: Backbone, prompt: Prompt, examples: Sequence[Example], before: int = 0) -> list[Example]:
    """The same examples; those that leave no room for a label word are shortened inside a field.

    `before`: tokens that precede them.
    """
    return _within(model, prompt, examples, model.card.max_tokens - before - longest_word_tokens(model, prompt))


def texts_within(model: Backbone, prompt: Prompt, examples: Sequence[Example]) -> list[Example]:
    """The same examples; those that are too long for the model are shortened inside a field."""
    return _within(model, prompt, examples, model.card.max_tokens)


def _within(model: Backbone, prompt: Prompt, examples: Sequence[Example], room: int) -> list[Example]:
    bodies = [prompt.whole(example) for example in examples]
    # A token has at least one byte, except for a few special ones around a text, so that short texts need no tokenizer.
    if all(len(body.encode()) + 8 <= room for body in bodies):
        return list(examples)
    fits = [len(ids) <= room for ids in model.encode(bodies)]
    return [e if fit else fitting_example(model, prompt, e, room) for e, fit in zip(examples, fits, strict=True)]


def longest_word_tokens(model: Backbone, prompt: Prompt) -> int:
    """Tokens that a text must leave room for: those of the longest label word, with its suffix if that is scored, too."""
    return longest_choice(model.encode, prompt.choices, prompt.ends_answer)


def fitting_example(model: Backbone, prompt: Prompt, example: Example, room: int) -> Example:
    """The example with words cut from the end of its longest fields, until its text has no more than `room` tokens.

    Every field keeps the same maximum number of words, the largest that fits; of characters, where words are too long for
    that, as in Chinese. The pattern is kept whole. Raises UserError where it does not fit by itself.
    """

    def tokens(short: Example) -> int:
        return len(model.encode([prompt.whole(short)])[0])

    if tokens(example) <= room:
        return example
    # Words first; characters only where even one word of each field is too long.
    for cut, fewest in ((_words, 1), (_characters, 0)):
        if tokens(_shortened(example, cut, fewest)) > room:
            continue
        low, high = fewest, max(len(text) for text in example.fields.values())
        while low + 1 < high:  # bisection: `low` fits, `high` does not
            middle = (low + high) // 2
            fits = tokens(_shortened(example, cut, middle)) <= room
            low, high = (middle, high) if fits else (low, middle)
        return _shortened(example, cut, low)
    raise UserError(
        f"the text around the fields takes {tokens(_shortened(example, _characters, 0)):,} tokens "
        f"and there is room for {room:,}: use a shorter pattern, or a model with a longer context window"
    )


def _words(text: str, maximum: int) -> str:
    words = text.split()
    return text if len(words) <= maximum else " ".join(words[:maximum])


def _characters(text: str, maximum: int) -> str:
    return text[:maximum]


def _shortened(example: Example, cut: Callable[[str, int], str], maximum: int) -> Example:
    return replace(example, fields={name: cut(text, maximum) for name, text in example.fields.items()})


def by_label(demonstrations: Sequence[Example]) -> list[list[Example]]:
    """Groups of one label, in the order of appearance: which label has the number 0 must not matter."""
    labels = dict.fromkeys(example.label for example in demonstrations)
    return [[example for example in demonstrations if example.label == label] for label in labels]
