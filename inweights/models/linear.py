"""Linear layers as updates see them: logical shape and dense weight, however the architecture stores them."""

from dataclasses import dataclass, field
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class Linear:
    """y = W x + b with W of shape outputs x inputs."""

    inputs: int
    outputs: int
    module: nn.Module = field(repr=False)
    transposed: bool = False
    """Stored as inputs x outputs (GPT-2's `Conv1D`)."""

    @property
    def weight(self) -> Float[Tensor, "outputs inputs"]:
        stored = cast(Tensor, self.module.weight)
        return stored.T if self.transposed else stored

    def as_stored(self, weight: Float[Tensor, "outputs inputs"]) -> Tensor:
        """A tensor of the weight's shape in the layout that the module keeps."""
        return weight.T if self.transposed else weight


def linear_layers_of(module: nn.Module, head: nn.Module | None) -> dict[str, Linear]:
    """By name; without the LM head `head` and an encoder's pooler."""
    found = {}
    for name, layer in module.named_modules():
        transposed = type(layer).__name__ == "Conv1D"
        if (transposed or isinstance(layer, nn.Linear)) and layer is not head and "pooler" not in name.split("."):
            rows, columns = cast(Tensor, layer.weight).shape
            inputs, outputs = (rows, columns) if transposed else (columns, rows)
            found[name] = Linear(inputs, outputs, layer, transposed)
    return found
