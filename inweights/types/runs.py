"""A run as plain values: enough to do it again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from inweights.types.queries import Weights


@dataclass(frozen=True)
class Budget:
    """What a method may spend."""

    steps: int | None = None
    """Maximum number of optimizer steps; None: as many as the method's own schedule asks for."""
    batch_tokens: int = 8192
    """Maximum number of tokens per forward pass; fewer where memory runs out."""
    isolated: bool = False
    """Train every run alone and not stacked with others, so that its cost is measured and not divided evenly."""
    kept_bytes: int = 1 << 30
    """Maximum size of the outputs of frozen blocks that are kept from epoch to epoch."""
    autocast: Literal["", "bf16", "fp16"] = ""
    """Precision of the products in training, whatever the backbone's dtype is; its weights are not changed."""
    checkpointing: bool = False
    """Keep only the inputs of blocks for the backward pass, which runs the blocks again: less memory, a third more
    time."""


@dataclass(frozen=True)
class Run:
    """What one run does."""

    weights: Weights
    task: str
    method: str
    """`method[+update]`, a name of METHODS."""
    shots: int
    """In total over all labels."""
    seed: int
    prompt: str = ""
    """The name of the pattern; several names with commas where tuning chooses among them."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings that differ from the method's own, by dotted path, as text."""
    budget: Budget = Budget()
    limit: int | None = None
    """Maximum number of examples scored of each evaluation set, the same ones for every method."""
    tune: str = ""
    """How the learning rate is chosen: "" (the method's own), `holdout` or `kfold` of the shots."""
    after: tuple[str, ...] = ()
    """Ids of the runs that must have ended before this one begins, such as those whose updates it merges."""

    @property
    def model(self) -> str:
        """The name of the weights; two runs of one name can differ in dtype."""
        return self.weights.name
