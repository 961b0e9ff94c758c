"""Sequences that begin alike as one tree, so that what a chat template puts before every text is computed once."""

from collections.abc import Sequence

from inweights.engine.trees import Tree
from inweights.models.shared_prefix import common

MINIMUM = 8
"""Tokens that are worth sharing."""
Stem = tuple[int, ...]


def shared_stems(trees: Sequence[Tree]) -> list[Stem]:
    """What each tree shares with those that begin alike: up to where they differ or the first one is read.

    Empty for a tree that has branches already, that is read within its first tokens, or that begins like no other.
    """
    groups: dict[Stem, list[int]] = {}
    for number, tree in enumerate(trees):
        if not tree.branches and tree.positions_read[0] >= MINIMUM:
            groups.setdefault(tree.stem[:MINIMUM], []).append(number)
    stems: list[Stem] = [()] * len(trees)
    for group in groups.values():
        stem = trees[group[0]].stem
        for number in group:
            stem = stem[: min(common(stem, trees[number].stem), trees[number].positions_read[0])]
        if len(group) > 1:
            for number in group:
                stems[number] = stem
    return stems


def joined(trees: Sequence[Tree], stems: Sequence[Stem]) -> tuple[list[Tree], list[int]]:
    """The same sequences in fewer trees, and the numbers of the given ones in the order in which they are now read."""
    groups: dict[Stem, list[int]] = {}
    for number, stem in enumerate(stems):
        if stem:
            groups.setdefault(stem, []).append(number)
    single = [number for number, stem in enumerate(stems) if not stem]
    together = [_tree(stem, [trees[number] for number in group]) for stem, group in groups.items()]
    return [trees[number] for number in single] + together, single + [each for group in groups.values() for each in group]


def _tree(stem: Stem, trees: Sequence[Tree]) -> Tree:
    if len(trees) == 1:
        return trees[0]
    branches, reads, moved = [tree.stem[len(stem) :] for tree in trees], list[int](), 0
    for tree, branch in zip(trees, branches, strict=True):
        reads += [place + moved for place in tree.positions_read]
        moved += len(branch)
    return Tree(stem, tuple(branches), tuple(reads))
