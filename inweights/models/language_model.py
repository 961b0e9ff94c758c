"""The first of three contracts, each of which contains the one before: queries in; scores or texts out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from inweights.models.card import ModelCard
from inweights.types import Query, UserError


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen: drawn at `temperature` from the likeliest tokens that hold `top_p` of the distribution.

    A temperature of 0 takes the likeliest token.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise UserError(
                f"temperature is {self.temperature} and top_p {self.top_p}: expected a temperature of 0 or more "
                "and a share above 0, up to 1"
            )


GREEDY = Sampling()


@runtime_checkable
class LanguageModel(Protocol):
    """Queries in; scores or texts out. A model that is reached over a network would offer this and no more."""

    @property
    def card(self) -> ModelCard: ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The length of each text in tokens, special tokens included."""
        ...

    def score(self, queries: Sequence[Query], batch_tokens: int = 8192) -> list[Float[Tensor, " choices"]]:
        """log p(choice | context, text) of every choice of each query; nats, fp32. Differentiable on a local model.

        Raises UserError for a family that scores no answers, and where two choices cannot be told apart.
        """
        ...

    def generate(self, queries: Sequence[Query], max_new_tokens: int, sampling: Sampling = GREEDY) -> list[str]:
        """An answer to each query, up to an end of text, the query's `suffix`, or `max_new_tokens`."""
        ...
