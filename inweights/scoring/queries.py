"""Examples as token trees: the prompt is the stem, the label words branch off its end.

The tokens are those of the whole text, context and label word included, so that scores are what any other program
gets that encodes the same text; the shared prefix is found in the tokens, not cut out of the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from inweights.engine.trees import Tree
from inweights.models.base import LanguageModel
from inweights.scoring.shared_prefix import common, encode_with_context
from inweights.types import Example, Prompt, UserError

Spelled = tuple[tuple[int, ...], ...]
"""Token ids of every label word."""


@dataclass(frozen=True)
class Queries:
    """What is asked of a backbone to score labels."""

    prefix: tuple[int, ...]
    """Token ids in front of every tree; empty where nothing is shared."""
    trees: tuple[Tree, ...]
    words: tuple[Spelled, ...]
    """For each example."""

    def at(self, rows: Sequence[int]) -> "Queries":
        return Queries(self.prefix, tuple(self.trees[i] for i in rows), tuple(self.words[i] for i in rows))


def queries_of(model: LanguageModel, prompt: Prompt, examples: Sequence[Example], context: str = "") -> Queries:
    """Raises UserError where two label words have the same tokens, or where an example has none or too many."""
    bodies = [prompt.body(example) for example in examples]
    if not bodies:
        return Queries((), (), ())
    cuts, words = zip(*_endings(model, prompt, bodies), strict=True)
    behind = encode_with_context(model, context, bodies, spare=1 + max(cuts))
    stems = [rest[: len(rest) - cut] for rest, cut in zip(behind.rests, cuts, strict=True)]
    trees = tuple(
        Tree(stem, tuple(word[:-1] for word in spelled if len(word) > 1)) for stem, spelled in zip(stems, words, strict=True)
    )
    for index, (stem, spelled) in enumerate(zip(stems, words, strict=True)):
        longest = len(behind.shared) + len(stem) + max(map(len, spelled)) - 1
        _check(model, index, bodies[index], stem, longest, len(behind.shared))
    return Queries(behind.shared, trees, words)


def _endings(model: LanguageModel, prompt: Prompt, bodies: Sequence[str]) -> list[tuple[int, Spelled]]:
    """For each body, how many tokens at its end a label word changes (nearly always 0), and the words' tokens.

    They depend on the end of the body alone, so that bodies with the same last words are asked about once.
    """
    endings = [" ".join(body.rsplit(maxsplit=2)[-2:]) for body in bodies]
    asked = dict(zip(endings, bodies, strict=True))
    each = 1 + len(prompt.verbalizer)
    texts = model.encode(
        [text for body in asked.values() for text in (body, *(f"{body} {word}" for word in prompt.verbalizer))]
    )
    groups = (texts[start : start + each] for start in range(0, len(texts), each))
    known = {ending: _words(model, prompt, *group) for ending, group in zip(asked, groups, strict=True)}
    return [known[ending] for ending in endings]


def _words(model: LanguageModel, prompt: Prompt, body: list[int], *answered: list[int]) -> tuple[int, Spelled]:
    alike = min(common(body, text) for text in answered)
    spelled = tuple(tuple(text[alike:]) for text in answered)
    for index, word in enumerate(spelled):
        if word in spelled[:index]:
            raise UserError(
                f"the label words {prompt.verbalizer[spelled.index(word)]!r} and {prompt.verbalizer[index]!r} have the "
                f"same tokens for {model.card.name}: choose words that it can tell apart"
            )
    return len(body) - alike, spelled


def _check(model: LanguageModel, index: int, body: str, stem: Sequence[int], longest: int, shared: int) -> None:
    if not stem:
        raise UserError(f"example {index + 1} reads as an empty text: give it some, or a pattern with words of its own")
    if longest > model.card.max_tokens:
        shown = body if len(body) < 60 else body[:57] + "..."
        raise UserError(
            f"example {index + 1} ({shown!r}) has {longest:,} tokens, {shared:,} of them demonstrations, and "
            f"{model.card.name} reads at most {model.card.max_tokens:,}: shorten its text, show fewer demonstrations, "
            "or take a model with a longer context window"
        )
