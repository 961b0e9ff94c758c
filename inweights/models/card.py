"""What a report says about a model, and what methods can use it for."""

from dataclasses import dataclass

from inweights.types import Ability

PACKED = "packed, prefixes shared"
"""How a model reads prompts if its attention can be replaced by ours."""


@dataclass(frozen=True)
class ModelCard:
    """What a report says about a model."""

    name: str
    family: str
    """A name of `FAMILIES`."""
    architecture: str
    """Such as `LlamaForCausalLM`."""
    parameters: int
    dtype: str
    device: str
    max_tokens: int
    """The context window: the longest sequence that it can read."""
    digest: str
    """SHA-256 over names and bytes of its weights (on disk where it came from a folder), 16 hexadecimal digits."""
    attention: str = ""
    """`PACKED`, or `whole padded prompts` with the reason."""
    abilities: frozenset[Ability] = frozenset()
    """What methods and updates can use it for."""

    @property
    def slow_path(self) -> str:
        """One line for the user where the model cannot pack; "" where it can."""
        return "" if self.attention in ("", PACKED) else f"{self.name}: {self.attention}, slower"
