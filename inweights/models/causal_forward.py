"""The forward pass of a causal model: trees after their prefixes, packed in one row or as whole padded prompts."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.engine.attention_layout import AttentionLayout
from inweights.engine.checkpointing import rerun_in_backward
from inweights.engine.layouts import positions, tree_layout
from inweights.engine.learned_prefix import learned_prefixes_of, virtual_token_count
from inweights.engine.packed import Output, read_packed
from inweights.engine.padded import read_trees
from inweights.engine.products import fast_products
from inweights.engine.switches import patches_on
from inweights.engine.trees import Layer, Prefix, Prefixes, Tree, prefix_of_each
from inweights.models.architecture import blocks_of
from inweights.models.local_model import LocalModel
from inweights.types import UserError

PREFIX_TOKENS = 4096
"""Tokens of a prefix that are encoded at once. A longer prefix is encoded piece by piece, with the same result."""


@dataclass(frozen=True)
class CausalForward:
    """How one view of a causal model reads trees."""

    model: LocalModel
    trims: bool
    """Whether the last block can be run for only the positions that are read."""

    def prefix(self, ids: Sequence[int]) -> Prefix:
        if not self.model.packs:
            return Prefix(tuple(ids), (), ())  # read again with every tree, as the beginning of a whole prompt
        # A learned prefix comes first: the tokens are read after it and see it.
        [encoded] = self._learned() or [Prefix((), (), ())]
        for start in range(0, len(ids), PREFIX_TOKENS):
            encoded = self._longer(encoded, ids[start : start + PREFIX_TOKENS])
        return encoded

    def stems(
        self, trees: Sequence[Tree], prefixes: Sequence[Prefix | None]
    ) -> tuple[list[Prefix | None], dict[Layer, tuple[Tensor, Tensor]], Float[Tensor, "trees vocabulary"]]:
        learned = self._learned() if None in prefixes else []
        by_tree = [prefix or (learned[0] if learned else None) for prefix in prefixes]
        self._check_length(trees, by_tree)
        captured: dict[Layer, tuple[Tensor, Tensor]] = {}
        layout = tree_layout(trees, self.model.device, by_tree, captured=captured)
        return by_tree, captured, self._packed(trees, layout, "logits")

    def read(self, trees: Sequence[Tree], prefixes: Prefixes, what: Output, vocabulary: Tensor | None = None) -> Tensor:
        by_tree = prefix_of_each(prefixes, len(trees))
        # A given prefix was encoded with the updates on and holds the learned prefix already; other trees need it.
        learned = self._learned() if None in by_tree else []
        if learned:
            of_runs = learned * len(trees) if len(learned) == 1 else self._by_segment(learned)
            by_tree = [of_runs[i] if prefix is None else prefix for i, prefix in enumerate(by_tree)]
        self._check_length(trees, by_tree)
        if not self.model.packs:
            return self._padded(trees, by_tree, what, vocabulary)
        # Trees with the same prefix stand side by side in the row, so that there is one product with each prefix. By
        # identity: prefixes are compared as objects, never number by number. Outputs go back to the given order.
        first: dict[int, int] = {}
        order = sorted(range(len(trees)), key=lambda i: first.setdefault(id(by_tree[i]), i))
        trees, by_tree = [trees[i] for i in order], [by_tree[i] for i in order]
        # Runs that train in one row have learned prefixes at most, in the order of their segments, so that sorting by
        # prefix leaves the segments contiguous.
        out = self._packed(trees, tree_layout(trees, self.model.device, by_tree, self.model.segments), what, vocabulary)
        if order == list(range(len(trees))):
            return out
        parts = dict(zip(order, out.split([len(tree.positions_read) for tree in trees]), strict=True))
        return torch.cat([parts[i] for i in range(len(parts))])

    def _learned(self) -> list[Prefix]:
        return learned_prefixes_of(self.model.patches, self.model.module, self.model.counter)

    def _by_segment(self, learned: Sequence[Prefix]) -> list[Prefix]:
        return [prefix for prefix, segment in zip(learned, self.model.segments, strict=True) for _ in range(segment.trees)]

    def _packed(
        self, trees: Sequence[Tree], layout: AttentionLayout, what: Output, vocabulary: Tensor | None = None
    ) -> Tensor:
        self.model.counter.tokens += layout.tokens
        blocks = blocks_of(self.model.module)
        last = blocks[-1] if self.trims else None
        with ExitStack() as stack:
            if self.model.frozen:
                # The frozen blocks are run by a forward pass without updates, which ends after them.
                bare = replace(self, model=self.model.without_updates())
                states = self.model.frozen.states(trees, lambda missing: bare.read(missing, None, what))
                stack.enter_context(self.model.frozen.in_place_of_blocks(states))
            if self.model.checkpointing and torch.is_grad_enabled():
                first = self.model.frozen.below if self.model.frozen else 0
                # Not the last block, whose forward pass `only_reads` replaces.
                stack.enter_context(rerun_in_backward(blocks[first:-1], self.model.patches, layout, self.model.module))
            return read_packed(self.model.module, self.model.patches, trees, layout, what, last, vocabulary)

    def _padded(
        self, trees: Sequence[Tree], by_tree: Sequence[Prefix | None], what: Output, vocabulary: Tensor | None
    ) -> Tensor:
        ids = [prefix.ids if prefix else () for prefix in by_tree]
        with patches_on(self.model.patches), fast_products(self.model.module):
            out, tokens = read_trees(self.model.module, trees, ids, what)
        self.model.counter.tokens += tokens
        return out if vocabulary is None else out[:, vocabulary]

    def _check_length(self, trees: Sequence[Tree], by_tree: Sequence[Prefix | None]) -> None:
        # A learned prefix is not counted: the card's `max_tokens` is what it leaves.
        virtual = sum(map(virtual_token_count, self.model.patches))
        fixed = [len(prefix.ids) - virtual if prefix else 0 for prefix in by_tree]
        longest = max((max(positions(tree)) + 1 + tokens for tree, tokens in zip(trees, fixed, strict=True)), default=0)
        if longest > self.model.card.max_tokens:
            raise UserError(
                f"a prompt has {longest:,} tokens and {self.model.card.name} reads at most {self.model.card.max_tokens:,}: "
                "shorten the text, show fewer demonstrations, or take a model with a longer context window"
            )

    def _longer(self, prefix: Prefix, ids: Sequence[int]) -> Prefix:
        """The prefix with more tokens at its end; the tokens that it has are not read again."""
        tree = Tree(tuple(ids), reads=(len(ids) - 1,))
        known = prefix if prefix.ids else None
        self._check_length([tree], [known])
        captured: dict[Layer, tuple[Tensor, Tensor]] = {}
        # Only the captured keys and values are needed, and no logits. One position is read because a tree needs one.
        self._packed([tree], tree_layout([tree], self.model.device, [known], captured=captured), "hidden")
        layers = [captured[index] for index in sorted(captured)]
        keys, values = tuple(k for k, _ in layers), tuple(v for _, v in layers)
        if known is not None:
            keys = tuple(torch.cat(both, 1) for both in zip(prefix.keys, keys, strict=True))
            values = tuple(torch.cat(both, 1) for both in zip(prefix.values, values, strict=True))
        # Keys have their rotary positions already: the pieces were read at their places and only have to be joined.
        return Prefix((*prefix.ids, *ids), keys, values)
