"""How the next token of a text is chosen from its logits: the likeliest one, or a draw."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.models.language_model import Sampling

Choose = Callable[[Float[Tensor, "texts vocabulary"]], list[int]]
"""The next token of every text."""


def greedy(logits: Float[Tensor, "texts vocabulary"]) -> list[int]:
    return logits.argmax(-1).tolist()


NUCLEUS = 1024
"""Maximum number of tokens of a nucleus: sorting a vocabulary of 262,144 for every token takes longer than the model."""


def sampling(temperature: float, generator: torch.Generator, top_p: float = 1.0) -> Choose:
    """Draws on the CPU, so that a seed gives the same texts on every device.

    `top_p`: only from the fewest likeliest tokens that hold this probability (Holtzman et al. 2019, arXiv 1904.09751).
    """

    def choose(logits: Tensor) -> list[int]:
        # The whole softmax first: `top_p` is a share of all tokens, not of the likeliest `NUCLEUS`.
        probabilities = (logits.cpu() / temperature).softmax(-1)
        if top_p >= 1:
            return torch.multinomial(probabilities, 1, generator=generator)[:, 0].tolist()
        likeliest, ids = probabilities.topk(min(NUCLEUS, probabilities.shape[-1]), -1)
        # A token is left out where the tokens before it hold enough already; the likeliest token always stays.
        nucleus = likeliest * (likeliest.cumsum(-1) - likeliest < top_p)
        return ids.gather(1, torch.multinomial(nucleus, 1, generator=generator))[:, 0].tolist()

    return choose


def chooser(settings: Sampling) -> Choose:
    """Greedy at temperature 0, else sampling."""
    if not settings.temperature:
        return greedy
    return sampling(settings.temperature, torch.Generator().manual_seed(settings.seed), settings.top_p)
