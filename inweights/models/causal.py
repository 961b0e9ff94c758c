"""Causal language models: whatever transformers' `AutoModelForCausalLM` loads."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inweights.engine.attention_layout import AttentionLayout, Layer, positions, tree_layout
from inweights.engine.checkpointing import rerun_in_backward
from inweights.engine.frozen_blocks import FrozenBlocks
from inweights.engine.learned_prefix import learned_prefixes_of, virtual_token_count
from inweights.engine.packed import Output, read_packed
from inweights.engine.padded import read_trees
from inweights.engine.stacked_runs import RunSegment
from inweights.engine.switches import patches_on
from inweights.engine.trees import Behind, Patch, Prefix, TokenCount, Tree, prefix_of_each
from inweights.models.base import LanguageModel, ModelCard
from inweights.types import UserError

PREFIX_TOKENS = 4096
"""Of a prefix that are encoded at once; a longer one is read on from what is encoded already, and is as exact."""


@dataclass(frozen=True)
class CausalLM:
    """A `LanguageModel` with an LM head. See there for what each function promises."""

    card: ModelCard
    module: nn.Module
    tokenizer: Any
    hidden_size: int
    front: tuple[int, ...]
    """Special tokens in front of every text: one BOS, or none."""
    packs: bool
    """Its attention can be replaced by ours; else whole padded prompts go through."""
    trims: bool = True
    """Its last block can be run for the positions that are read alone."""
    counter: TokenCount = field(default_factory=TokenCount)
    patches: tuple[Patch, ...] = ()
    segments: tuple[RunSegment, ...] = ()
    """Where several runs train in one row."""
    frozen: FrozenBlocks | None = None
    """Blocks that no patch changes, and what they gave."""
    checkpointing: bool = False
    """Blocks are run again in the backward pass."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        # Special tokens by hand: a tokenizer's own template may put an end-of-text behind, too.
        encoded = self.tokenizer(list(texts), add_special_tokens=False, verbose=False, return_attention_mask=False)[
            "input_ids"
        ]
        return [[*self.front, *ids] for ids in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        return cast(str, self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def next_token_logits(
        self, trees: Sequence[Tree], prefix: Behind = None, vocabulary: Int[Tensor, " rows"] | None = None
    ) -> Float[Tensor, "reads vocabulary"]:
        return self._read(trees, prefix, "logits", vocabulary)

    def summaries(
        self, sequences: Sequence[Sequence[int]], pooling: Literal["own", "mean"] = "own"
    ) -> Float[Tensor, "sequences hidden"]:
        if pooling == "own":
            return self._read([Tree(tuple(ids), reads=(len(ids) - 1,)) for ids in sequences], None, "hidden")
        trees = [Tree(tuple(ids), reads=tuple(range(len(ids)))) for ids in sequences]
        parts = self._read(trees, None, "hidden").split([len(tree) for tree in trees])
        return torch.stack([part.mean(0) for part in parts])

    def prefix(self, ids: Sequence[int]) -> Prefix:
        if not self.packs:
            return Prefix(tuple(ids), (), ())
        [found] = learned_prefixes_of(self.patches, self.module, self.counter) or [Prefix((), (), ())]
        for start in range(0, len(ids), PREFIX_TOKENS):
            found = self._longer(found, ids[start : start + PREFIX_TOKENS])
        return found

    def stems_read(
        self, trees: Sequence[Tree], behind: Sequence[Prefix | None]
    ) -> tuple[list[Prefix | None], dict[Layer, tuple[Tensor, Tensor]], Float[Tensor, "trees vocabulary"]]:
        """What the stems stand behind, their keys and values by layer, and what comes after each; where it packs.

        Stems behind the same prefix stand side by side.
        """
        fronts = learned_prefixes_of(self.patches, self.module, self.counter) if None in behind else []
        before = [prefix or (fronts[0] if fronts else None) for prefix in behind]
        self._check_length(trees, before)
        captured: dict[Layer, tuple[Tensor, Tensor]] = {}
        layout = tree_layout(trees, self._device, before, captured=captured)
        return before, captured, self._packed(trees, layout, "logits")

    def patched(self, patch: Patch) -> LanguageModel:
        room = replace(self.card, max_tokens=self.card.max_tokens - virtual_token_count(patch))
        return replace(self, card=room, patches=(*self.patches, patch))

    def blocks(self) -> Sequence[nn.Module]:
        return blocks_of(self.module)

    def _longer(self, prefix: Prefix, ids: Sequence[int]) -> Prefix:
        """The prefix with more tokens behind it; what stands there already is not read again."""
        tree = Tree(tuple(ids), reads=(len(ids) - 1,))
        before = prefix if prefix.ids else None
        self._check_length([tree], [before])
        captured: dict[Layer, tuple[Tensor, Tensor]] = {}
        self._packed([tree], tree_layout([tree], self._device, [before], captured=captured), "hidden")
        layers = [captured[index] for index in sorted(captured)]
        keys, values = tuple(k for k, _ in layers), tuple(v for _, v in layers)
        if before is not None:
            keys = tuple(torch.cat(both, 1) for both in zip(prefix.keys, keys, strict=True))
            values = tuple(torch.cat(both, 1) for both in zip(prefix.values, values, strict=True))
        return Prefix((*prefix.ids, *ids), keys, values)

    def _read(self, trees: Sequence[Tree], behind: Behind, what: Output, vocabulary: Tensor | None = None) -> Tensor:
        before = prefix_of_each(behind, len(trees))
        fronts = learned_prefixes_of(self.patches, self.module, self.counter) if None in before else []
        if fronts:
            own = fronts * len(trees) if len(fronts) == 1 else self._by_segment(fronts)
            before = [own[i] if prefix is None else prefix for i, prefix in enumerate(before)]
        self._check_length(trees, before)
        if not self.packs:
            return self._padded(trees, before, what, vocabulary)
        # Trees behind the same prefix stand side by side in the row, so that it is one product with each prefix.
        first: dict[int, int] = {}
        order = sorted(range(len(trees)), key=lambda i: first.setdefault(id(before[i]), i))
        trees, before = [trees[i] for i in order], [before[i] for i in order]
        out = self._packed(trees, tree_layout(trees, self._device, before, self.segments), what, vocabulary)
        if order == list(range(len(trees))):
            return out
        parts = dict(zip(order, out.split([len(tree.positions_read) for tree in trees]), strict=True))
        return torch.cat([parts[i] for i in range(len(parts))])

    def _by_segment(self, fronts: Sequence[Prefix]) -> list[Prefix]:
        return [front for front, segment in zip(fronts, self.segments, strict=True) for _ in range(segment.trees)]

    def _packed(
        self, trees: Sequence[Tree], layout: AttentionLayout, what: Output, vocabulary: Tensor | None = None
    ) -> Tensor:
        self.counter.tokens += layout.tokens
        last = self.blocks()[-1] if self.trims else None
        with ExitStack() as stack:
            if self.frozen:
                bare = replace(self, patches=(), segments=(), frozen=None)
                states = self.frozen.states(trees, lambda missing: bare._read(missing, None, what))
                stack.enter_context(self.frozen.in_place_of_blocks(states))
            if self.checkpointing and torch.is_grad_enabled():
                first = self.frozen.below if self.frozen else 0
                stack.enter_context(rerun_in_backward(self.blocks()[first:-1], self.patches, layout, self.module))
            return read_packed(self.module, self.patches, trees, layout, what, last, vocabulary)

    def _padded(
        self, trees: Sequence[Tree], before: Sequence[Prefix | None], what: Output, vocabulary: Tensor | None
    ) -> Tensor:
        fronts = [prefix.ids if prefix else () for prefix in before]
        with patches_on(self.patches):
            out, tokens = read_trees(self.module, trees, fronts, what)
        self.counter.tokens += tokens
        return out if vocabulary is None else out[:, vocabulary]

    @property
    def _device(self) -> torch.device:
        return cast(torch.device, self.module.device)

    def _check_length(self, trees: Sequence[Tree], before: Sequence[Prefix | None]) -> None:
        own = sum(map(virtual_token_count, self.patches))  # the card leaves room for them
        fronts = [len(front.ids) - own if front else 0 for front in before]
        longest = max((max(positions(tree)) + 1 + front for tree, front in zip(trees, fronts, strict=True)), default=0)
        if longest > self.card.max_tokens:
            raise UserError(
                f"a prompt has {longest:,} tokens and {self.card.name} reads at most {self.card.max_tokens:,}: "
                "shorten the text, show fewer demonstrations, or take a model with a longer context window"
            )


def blocks_of(module: nn.Module) -> list[nn.Module]:
    """The transformer blocks: the first list of modules that is as long as the configuration says.

    Raises UserError where there is none.
    """
    layers = int(cast(Any, module).config.get_text_config().num_hidden_layers)
    lists = [each for each in module.modules() if isinstance(each, nn.ModuleList) and len(each) == layers]
    if not lists:
        raise UserError(f"{type(module).__name__} has no list of {layers} blocks to choose the last ones from")
    return list(lists[0])
