"""What a report says of a model, and what methods can ask of it."""

from dataclasses import dataclass

from inweights.types import Ability

PACKED = "packed, prefixes shared"
"""How a model reads several prompts whose attention can be replaced by ours."""


@dataclass(frozen=True)
class ModelCard:
    """What a report says of a backbone."""

    name: str
    family: str
    """A name of `FAMILIES`."""
    architecture: str
    """Such as `LlamaForCausalLM`."""
    parameters: int
    dtype: str
    device: str
    max_tokens: int
    """Longest sequence it can read, its context window."""
    digest: str
    """SHA-256 over names and bytes of its weights (on disk where it came from a folder), 16 hexadecimal digits."""
    attention: str = ""
    """`PACKED`, or that whole padded prompts are read, with the reason."""
    abilities: frozenset[Ability] = frozenset()
    """What methods and updates can ask of it."""

    @property
    def slow_path(self) -> str:
        """One line for the user where the model cannot pack; "" where it can."""
        return "" if self.attention in ("", PACKED) else f"{self.name}: {self.attention}, slower"
