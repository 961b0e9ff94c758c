"""How the next token of a text is chosen."""

from dataclasses import dataclass

from inweights.types import UserError


@dataclass(frozen=True)
class Sampling:
    """Draws from the likeliest tokens that hold `top_p` of the distribution at `temperature`; 0: the likeliest token."""

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
