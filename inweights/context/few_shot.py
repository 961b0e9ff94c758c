"""A model that continues a pattern of examples: how small models, and those that never chatted, write and read best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from inweights.context.memory import reading_tokens
from inweights.context.qa_tokens import AT_ONCE
from inweights.models.base import Backbone
from inweights.models.decoding import continued, end_ids
from inweights.models.generated import continuation
from inweights.models.next_token import Choose
from inweights.models.shared_prefix import common, encode_with_context
from inweights.scoring.completions import Completion, read_completions


class Reader(Protocol):
    def room(self, examples: str, bodies: Sequence[str]) -> bool:
        """Whether the examples and every body fit in the window, with a line after them."""
        ...

    def lines(self, examples: str, bodies: Sequence[str], most: int, choose: Choose) -> list[str]:
        """What follows each body on its line, up to `most` tokens; empty where the line did not end."""
        ...

    def log_probs(self, examples: str, bodies: Sequence[str], answers: Sequence[str]) -> list[float]:
        """Of each answer after its body, in nats per token."""
        ...


@dataclass(frozen=True)
class FewShot:
    model: Backbone

    def room(self, examples: str, bodies: Sequence[str]) -> bool:
        longest = max(self.model.count_tokens([examples + body for body in bodies]), default=0)
        return longest + 32 <= self.model.card.max_tokens

    @torch.no_grad()
    def lines(self, examples: str, bodies: Sequence[str], most: int, choose: Choose) -> list[str]:
        if not bodies:
            return []
        read = encode_with_context(self.model.encode, examples, bodies, spare=1)
        prefix = self.model.prefix(read.shared) if read.shared else None
        ends = end_ids(self.model, "\n")
        found: list[str] = []
        for start in range(0, len(bodies), AT_ONCE):
            stems = read.rests[start : start + AT_ONCE]
            for stem, tokens in zip(stems, continued(self.model, stems, prefix, most, ends, choose), strict=True):
                text = continuation(self.model, stem, tokens)
                found.append(text.partition("\n")[0].rstrip() if tokens[-1] in ends else "")
        return found

    @torch.no_grad()
    def log_probs(self, examples: str, bodies: Sequence[str], answers: Sequence[str]) -> list[float]:
        if not bodies:
            return []
        whole = [f"{body} {answer}" for body, answer in zip(bodies, answers, strict=True)]
        read = encode_with_context(self.model.encode, examples, [*bodies, *whole], spare=1)
        prefix = self.model.prefix(read.shared) if read.shared else None
        completions = [_completion(*pair) for pair in zip(read.rests, read.rests[len(bodies) :], strict=False)]

        def of(numbers: Sequence[int], rows: Sequence[torch.Tensor]) -> list[float]:
            ids = [torch.tensor(completions[number].completion_ids, device=rows[0].device)[:, None] for number in numbers]
            return [float(row.log_softmax(-1).gather(1, own).mean()) for row, own in zip(rows, ids, strict=True)]

        return read_completions(self.model, prefix, completions, of, reading_tokens(self.model))


def _completion(body: Sequence[int], whole: Sequence[int]) -> Completion:
    """The tokens of the answer begin where the text differs from the one without it."""
    at = min(common(body, whole), len(whole) - 1)
    return Completion(tuple(whole[:at]), tuple(whole[at:]))
