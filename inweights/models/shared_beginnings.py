"""Tokens that all queries after a prefix begin with, such as a pattern's first words, moved to the prefix.

The prefix itself ends where the tokens of the context end, whatever the queries are: often a separator that the tokenizer
merges differently without a query after it, and the words of the pattern before its first field, remain.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from inweights.engine.trees import Tree
from inweights.models.queries import Queries
from inweights.models.shared_prefix import common

WORTH_A_PREFIX = 0.1
"""Share of all tokens that must be saved where there is no prefix yet: it takes a pass and a second part of attention."""


def with_shared_beginnings(query_sets: Sequence[Queries]) -> list[Queries]:
    """The same queries; sets with equal prefixes still have equal prefixes."""
    found = list(query_sets)
    by_prefix: dict[tuple[int, ...], list[int]] = {}
    for number, queries in enumerate(query_sets):
        by_prefix.setdefault(queries.prefix, []).append(number)
    for prefix, numbers in by_prefix.items():
        alike = _shared([tree for number in numbers for tree in query_sets[number].trees], bool(prefix))
        for number in numbers if alike else ():
            queries = query_sets[number]
            beginning = queries.trees[0].stem[:alike] if queries.trees else ()
            cut = tuple(_after(tree, alike) for tree in queries.trees)
            found[number] = Queries((*prefix, *beginning), cut, queries.words)
    return found


def _shared(trees: Sequence[Tree], has_prefix: bool) -> int:
    """How many tokens to move: no token whose output is read."""
    if len(trees) < 2:
        return 0
    first = min(trees, key=lambda tree: len(tree.stem))
    alike = min(min(common(first.stem, tree.stem), *tree.positions_read) for tree in trees)
    # Without a prefix a gradient would go through attention in one part, which keeps less for the backward pass.
    saved, total = (len(trees) - 1) * alike, sum(map(len, trees))
    worth = has_prefix or (saved > WORTH_A_PREFIX * total and not torch.is_grad_enabled())
    return alike if worth else 0


def _after(tree: Tree, start: int) -> Tree:
    reads = None if tree.reads is None else tuple(place - start for place in tree.reads)
    return replace(tree, stem=tree.stem[start:], reads=reads)
