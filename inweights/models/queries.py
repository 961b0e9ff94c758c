"""Queries as token trees: the prompt is the stem, the choices branch off its end.

The tokens are those of the *whole text*, with context and choice, so that scores are those of any other program that
encodes the same text. Tokenizers merge characters across the seams of a text, so the shared prefix is found in the token
ids and not cut out of the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from inweights.engine.trees import Tree
from inweights.models.card import ModelCard
from inweights.models.shared_prefix import Encode, common, encode_with_context
from inweights.types import Query, UserError

Spelled = tuple[tuple[int, ...], ...]
"""The token ids of every choice of a query."""


@dataclass(frozen=True)
class Queries:
    """What a model reads to score the choices of queries with one context."""

    prefix: tuple[int, ...]
    """Token ids that precede every tree; empty where nothing is shared."""
    trees: tuple[Tree, ...]
    words: tuple[Spelled, ...]
    """The choices of each query."""

    def at(self, rows: Sequence[int]) -> "Queries":
        return Queries(self.prefix, tuple(self.trees[i] for i in rows), tuple(self.words[i] for i in rows))


def tokenized(encode: Encode, card: ModelCard, queries: Sequence[Query]) -> Queries:
    """Tokens of queries that share one context. `encode` is the model's.

    Raises UserError where two choices have the same tokens, or where a query has no tokens or too many.
    """
    if not queries:
        return Queries((), (), ())
    assert len({query.context for query in queries}) == 1, "queries of several contexts"
    cuts, words = zip(*_endings(encode, card, queries), strict=True)
    # Every stem keeps at least one token, at whose end the choices' first tokens are predicted.
    after = encode_with_context(encode, queries[0].context, [query.text for query in queries], spare=1 + max(cuts))
    stems = [rest[: len(rest) - cut] for rest, cut in zip(after.rests, cuts, strict=True)]
    trees = tuple(
        Tree(stem, tuple(word[:-1] for word in spelled if len(word) > 1)) for stem, spelled in zip(stems, words, strict=True)
    )
    for index, (stem, spelled) in enumerate(zip(stems, words, strict=True)):
        longest = len(after.shared) + len(stem) + max(map(len, spelled), default=1) - 1
        _check(card, index, queries[index].text, stem, longest, len(after.shared))
    return Queries(after.shared, trees, words)


def longest_choice(encode: Encode, choices: Sequence[str], suffix: str) -> int:
    """Tokens that a text must leave room for: those of the longest choice, with the suffix if it is scored, too."""
    ending = scored_suffix(encode, choices, suffix)
    return max(map(len, encode([choice + ending for choice in choices])))


def scored_suffix(encode: Encode, choices: Sequence[str], suffix: str) -> str:
    """The suffix if it is scored with the choices, because one choice is the beginning of another; else ""."""
    return suffix if _one_begins_another(tuple(map(tuple, encode(choices)))) else ""


def _endings(encode: Encode, card: ModelCard, queries: Sequence[Query]) -> list[tuple[int, Spelled]]:
    """For each query the number of tokens at the end of its text that a choice changes (nearly always 0), and its choices.

    Both depend on the last words of the text, so that queries whose texts end in the same words are tokenised once.
    """
    keys = [(" ".join(each.text.rsplit(maxsplit=2)[-2:]), each.choices, each.suffix) for each in queries]
    distinct = dict(zip(keys, queries, strict=True))
    known = dict(zip(distinct, _spelled(encode, [(each.text, each.choices) for each in distinct.values()]), strict=True))
    for key, (_, words) in known.items():
        _refuse_equal(card, distinct[key], words)
    # Where one choice is the beginning of another, the probability of the shorter one includes all texts with the longer
    # one. What follows the answer in the prompt is then scored with all choices. This is decided for each query by
    # itself, so that no score depends on its batch.
    unclear = {key: distinct[key] for key, (_, words) in known.items() if _one_begins_another(words)}
    endings = [(each.text, [choice + each.suffix for choice in each.choices]) for each in unclear.values()]
    for (key, query), ended in zip(unclear.items(), _spelled(encode, endings), strict=True):
        if _one_begins_another(ended[1]) or len(set(ended[1])) < len(ended[1]):
            raise UserError(_beginnings(card, query, known[key][1]))
        known[key] = ended
    return [known[key] for key in keys]


def _spelled(encode: Encode, answered: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[int, Spelled]]:
    """For each text with its answers the number of tokens at its end that some answer changes, and the answers' tokens."""
    tokens = iter(encode([text + answer for text, answers in answered for answer in ("", *answers)]) if answered else [])
    spelled = []
    for _, answers in answered:
        text, whole = next(tokens), [next(tokens) for _ in answers]
        # All answers begin at the first token that any of them changes.
        alike = min((common(text, ids) for ids in whole), default=len(text))
        spelled.append((len(text) - alike, tuple(tuple(ids[alike:]) for ids in whole)))
    return spelled


def _one_begins_another(words: Spelled) -> bool:
    return any(len(one) < len(other) and other[: len(one)] == one for one, other in permutations(words, 2))


def _refuse_equal(card: ModelCard, query: Query, words: Spelled) -> None:
    for index, word in enumerate(words):
        if word in words[:index]:
            one, other = query.choices[words.index(word)].strip(), query.choices[index].strip()
            raise UserError(
                f"the label words {one!r} and {other!r} have the same tokens for {card.name}: "
                "choose words with different tokens"
            )


def _beginnings(card: ModelCard, query: Query, words: Spelled) -> str:
    one, other = next(
        (query.choices[words.index(a)].strip(), query.choices[words.index(b)].strip())
        for a, b in permutations(words, 2)
        if b[: len(a)] == a
    )
    follows = f"{query.suffix!r} after them does not distinguish them" if query.suffix else "nothing follows the answer"
    return (
        f"the label word {one!r} is the beginning of {other!r} in the tokens of {card.name}, and {follows}: "
        "choose other words, or a separator that ends a word"
    )


def _check(card: ModelCard, index: int, text: str, stem: Sequence[int], longest: int, shared: int) -> None:
    if not stem:
        raise UserError(f"example {index + 1} is an empty text: give it some text, or use a pattern that has words")
    if longest > card.max_tokens:
        shown = text if len(text) < 60 else text[:57] + "..."
        raise UserError(
            f"example {index + 1} ({shown!r}) has {longest:,} tokens, {shared:,} of them demonstrations, and "
            f"{card.name} reads at most {card.max_tokens:,}: shorten its text, show fewer demonstrations, "
            "or take a model with a longer context window"
        )
