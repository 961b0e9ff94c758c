"""Causal language models: whatever transformers' `AutoModelForCausalLM` loads."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inweights.models.base import LanguageModel, ModelCard, Patch, Prefix, TokenCount, Tree
from inweights.models.layout import Layer, Layout, laid_out, positions, tree_layout
from inweights.models.padded import read_trees
from inweights.types import UserError

Output = Literal["logits", "hidden"]


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
    counter: TokenCount = field(default_factory=TokenCount)
    patches: tuple[Patch, ...] = ()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        # Special tokens by hand: a tokenizer's own template may put an end-of-text behind, too.
        encoded = self.tokenizer(list(texts), add_special_tokens=False, verbose=False, return_attention_mask=False)[
            "input_ids"
        ]
        return [[*self.front, *ids] for ids in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        return cast(str, self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def next_token_logits(self, trees: Sequence[Tree], prefix: Prefix | None = None) -> Float[Tensor, "reads vocabulary"]:
        return self._read(trees, prefix, "logits")

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
        tree = Tree(tuple(ids), reads=(len(ids) - 1,))
        self._check_length([tree], None)
        captured: dict[Layer, tuple[Tensor, Tensor]] = {}
        self._packed([tree], tree_layout([tree], self._device, captured=captured), "hidden")
        layers = [captured[index] for index in sorted(captured)]
        return Prefix(tuple(ids), tuple(k for k, _ in layers), tuple(v for _, v in layers))

    def patched(self, patch: Patch) -> LanguageModel:
        return replace(self, patches=(*self.patches, patch))

    def blocks(self) -> Sequence[nn.Module]:
        return blocks_of(self.module)

    def _read(self, trees: Sequence[Tree], prefix: Prefix | None, what: Output) -> Tensor:
        self._check_length(trees, prefix)
        if self.packs:
            return self._packed(trees, tree_layout(trees, self._device, prefix), what)
        with self._patches_on():
            out, tokens = read_trees(self.module, trees, prefix.ids if prefix else (), what)
        self.counter.tokens += tokens
        return out

    def _packed(self, trees: Sequence[Tree], layout: Layout, what: Output) -> Tensor:
        """One pass over all trees as one row; outputs at the positions read alone."""
        before = len(layout.prefix.ids) if layout.prefix else 0
        ids = [token for tree in trees for part in (tree.stem, *tree.branches) for token in part]
        places = [before + position for tree in trees for position in positions(tree)]
        reads, start = [], 0
        for tree in trees:
            reads += [start + position for position in tree.positions_read]
            start += len(tree)
        inputs = {
            "input_ids": torch.tensor([ids], device=self._device),
            "position_ids": torch.tensor([places], device=self._device),
            "use_cache": False,
        }
        kept = torch.tensor(reads, device=self._device)
        self.counter.tokens += len(ids)
        with self._patches_on(), laid_out(layout):
            if what == "logits":
                return cast(Tensor, self.module(**inputs, logits_to_keep=kept).logits)[0].float()
            hidden = cast(Any, self.module).base_model(**inputs).last_hidden_state
            return cast(Tensor, hidden)[0, kept].float()

    def _patches_on(self) -> ExitStack:
        stack = ExitStack()
        for patch in self.patches:
            stack.enter_context(patch())
        return stack

    @property
    def _device(self) -> torch.device:
        return cast(torch.device, self.module.device)

    def _check_length(self, trees: Sequence[Tree], prefix: Prefix | None) -> None:
        longest = max((max(positions(tree)) + 1 for tree in trees), default=0) + (len(prefix.ids) if prefix else 0)
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
