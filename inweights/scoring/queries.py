"""Examples as token trees: the prompt is the stem, the label words branch off its end.

The tokens are those of the whole text, context and label word included, so that scores are what any other program
gets that encodes the same text; the shared prefix is found in the tokens, not cut out of the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from inweights.models.base import LanguageModel, Tree
from inweights.types import Example, Prompt, UserError


@dataclass(frozen=True)
class Queries:
    """What is asked of a backbone to score labels."""

    prefix: tuple[int, ...]
    """Token ids in front of every tree; empty where nothing is shared."""
    trees: tuple[Tree, ...]
    words: tuple[tuple[tuple[int, ...], ...], ...]
    """Token ids of every label word, for each example."""


def queries_of(model: LanguageModel, prompt: Prompt, examples: Sequence[Example], context: str = "") -> Queries:
    """Raises UserError where two label words have the same tokens."""
    bodies = [prompt.body(example) for example in examples]
    stems = model.encode([context + body for body in bodies])
    endings: dict[str, tuple[int, tuple[tuple[int, ...], ...]]] = {}
    trees, words = [], []
    shared = _shared(model, context, stems)
    for body, stem in zip(bodies, stems, strict=True):
        ending = " ".join(body.rsplit(maxsplit=2)[-2:])
        if ending not in endings:
            endings[ending] = _word_tokens(model, prompt, body)
        cut, spelled = endings[ending]
        stem = stem[shared : len(stem) - cut]
        trees.append(Tree(tuple(stem), tuple(word[:-1] for word in spelled if len(word) > 1)))
        words.append(spelled)
    return Queries(tuple(stems[0][:shared]) if stems else (), tuple(trees), tuple(words))


def _shared(model: LanguageModel, context: str, stems: Sequence[list[int]]) -> int:
    """Tokens at the front that come from the context alone and are the same for every query."""
    if not context or not stems:
        return 0
    alone = model.encode([context])[0]
    return min(_common(alone, stem) for stem in stems)


def _word_tokens(model: LanguageModel, prompt: Prompt, body: str) -> tuple[int, tuple[tuple[int, ...], ...]]:
    """How many tokens at the body's end a label word changes (nearly always 0), and every label word's tokens.

    Depends on the end of the body alone, which is why the caller asks once for each ending.
    """
    alone, *answered = model.encode([body, *(f"{body} {word}" for word in prompt.verbalizer)])
    common = min(_common(alone, full) for full in answered)
    spelled = tuple(tuple(full[common:]) for full in answered)
    for index, word in enumerate(spelled):
        if not word or word in spelled[:index]:
            other = prompt.verbalizer[spelled.index(word)] if word else ""
            raise UserError(
                f"the label word {prompt.verbalizer[index]!r} has the same tokens as {other!r} for {model.card.name}: "
                "choose another word with --verbalizer"
            )
    return len(alone) - common, spelled


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences share at the front."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
