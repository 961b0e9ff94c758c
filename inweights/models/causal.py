"""Causal language models: whatever transformers' `AutoModelForCausalLM` loads."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inweights.models import padded
from inweights.models.attention import laid_out, layout_of, positions
from inweights.models.base import LanguageModel, ModelCard, Patch, Prefix, TokenCount, Tree
from inweights.types import UserError


@dataclass(frozen=True)
class CausalLM:
    """A `LanguageModel` with an LM head. See there for what each function promises."""

    card: ModelCard
    module: nn.Module
    tokenizer: Any
    hidden_size: int
    packs: bool
    """Its attention goes through transformers' `AttentionInterface`; else whole padded prompts are used."""
    counter: TokenCount = field(default_factory=TokenCount)
    patches: tuple[Patch, ...] = ()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        bos = self.tokenizer.bos_token_id
        encoded = cast("list[list[int]]", self.tokenizer(list(texts), add_special_tokens=False)["input_ids"])
        return [[bos, *ids] for ids in encoded] if self._starts_with_bos else encoded

    @property
    def _starts_with_bos(self) -> bool:
        # Asked of an empty text: some tokenizers (OPT's) put `</s>` in front, some (GPT-2's) nothing.
        front = self.tokenizer("")["input_ids"]
        return bool(front) and front[0] == self.tokenizer.bos_token_id

    def decode(self, ids: Sequence[int]) -> str:
        return cast(str, self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def next_token_logits(
        self, trees: Sequence[Tree], prefix: Prefix | None = None
    ) -> Float[Tensor, "reads vocabulary"]:
        return self._run(trees, prefix, "logits")

    def summaries(
        self, sequences: Sequence[Sequence[int]], pooling: Literal["own", "mean"] = "own"
    ) -> Float[Tensor, "sequences hidden"]:
        if pooling == "own":
            return self._run([Tree(tuple(ids), reads=(len(ids) - 1,)) for ids in sequences], None, "hidden")
        trees = [Tree(tuple(ids), reads=tuple(range(len(ids)))) for ids in sequences]
        parts = self._run(trees, None, "hidden").split([len(tree) for tree in trees])
        return torch.stack([part.mean(0) for part in parts])

    def prefix(self, ids: Sequence[int]) -> Prefix:
        if not self.packs:
            return Prefix(tuple(ids), (), ())
        captured: dict[int, tuple[Tensor, Tensor]] = {}
        tree = Tree(tuple(ids), reads=(len(ids) - 1,))
        self._check_length([tree], None)
        layout = layout_of([tree], self.module.device, captured=captured)  # type: ignore[arg-type]
        self._packed([tree], layout, None, "hidden")
        layers = [captured[index] for index in sorted(captured)]
        return Prefix(tuple(ids), tuple(k for k, _ in layers), tuple(v for _, v in layers))

    def patched(self, patch: Patch) -> LanguageModel:
        return replace(self, patches=(*self.patches, patch))

    def blocks(self) -> Sequence[nn.Module]:
        layers = self.card_layers
        lists = [m for m in self.module.modules() if isinstance(m, nn.ModuleList) and len(m) == layers]
        if not lists:
            raise UserError(f"{self.card.architecture} has no list of {layers} blocks to choose the last ones from")
        return list(lists[0])

    @property
    def card_layers(self) -> int:
        return int(cast(Any, self.module).config.num_hidden_layers)

    def _run(self, trees: Sequence[Tree], prefix: Prefix | None, what: Literal["logits", "hidden"]) -> Tensor:
        self._check_length(trees, prefix)
        if not self.packs:
            with self._patched_on():
                read, tokens = padded.read(self.module, trees, prefix.ids if prefix else (), what, self._pad)
            self.counter.tokens += tokens
            return read
        return self._packed(trees, layout_of(trees, cast(Any, self.module).device, prefix), prefix, what)

    def _packed(self, trees: Sequence[Tree], layout: Any, prefix: Prefix | None, what: str) -> Tensor:
        """One pass over all trees as one row; outputs at the positions read alone."""
        device = cast(Any, self.module).device
        before = len(prefix.ids) if prefix else 0
        ids = [token for tree in trees for part in (tree.stem, *tree.branches) for token in part]
        places = [before + position for tree in trees for position in positions(tree)]
        reads, start = [], 0
        for tree in trees:
            reads += [start + position for position in tree.positions_read]
            start += len(tree)
        inputs = {
            "input_ids": torch.tensor([ids], device=device),
            "position_ids": torch.tensor([places], device=device),
            "use_cache": False,
        }
        kept = torch.tensor(reads, device=device)
        self.counter.tokens += len(ids)
        with self._patched_on(), laid_out(layout):
            if what == "logits":
                return cast(Tensor, self.module(**inputs, logits_to_keep=kept).logits)[0].float()
            hidden = cast(Any, self.module).base_model(**inputs).last_hidden_state
            return cast(Tensor, hidden)[0, kept].float()

    def _patched_on(self) -> ExitStack:
        stack = ExitStack()
        for patch in self.patches:
            stack.enter_context(patch())
        return stack

    @property
    def _pad(self) -> int:
        # Any token will do: what stands there is masked out.
        return self.tokenizer.pad_token_id or 0

    def _check_length(self, trees: Sequence[Tree], prefix: Prefix | None) -> None:
        longest = max((max(positions(tree)) + 1 for tree in trees), default=0) + (len(prefix.ids) if prefix else 0)
        if longest > self.card.max_tokens:
            raise UserError(
                f"a prompt has {longest:,} tokens and {self.card.name} reads at most {self.card.max_tokens:,}: "
                "shorten the text, show fewer demonstrations, or take a model with a longer context window"
            )
