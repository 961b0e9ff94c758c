"""Where the parts of a transformers model are: its linear layers, its blocks, the shape of its keys and values."""

from dataclasses import dataclass, field
from typing import Any, cast

from jaxtyping import Float
from torch import Tensor, nn

from inweights.types import UserError


@dataclass(frozen=True)
class Linear:
    """y = W x + b with W of shape outputs x inputs: logical shape and dense weight, however the architecture stores them."""

    inputs: int
    outputs: int
    module: nn.Module = field(repr=False)
    transposed: bool = False
    """The weight is stored as inputs x outputs (GPT-2's `Conv1D`)."""

    @property
    def weight(self) -> Float[Tensor, "outputs inputs"]:
        stored = cast(Tensor, self.module.weight)
        return stored.T if self.transposed else stored

    def as_stored(self, weight: Float[Tensor, "outputs inputs"]) -> Tensor:
        """A tensor of the weight's shape, in the layout that the module stores."""
        return weight.T if self.transposed else weight


def linear_layers_of(module: nn.Module, head: nn.Module | None) -> dict[str, Linear]:
    """Every linear layer by name, without the LM head `head` and an encoder's pooler."""
    layers = {}
    for name, layer in module.named_modules():
        # By name: transformers' Conv1D is a linear layer with a transposed weight, and not a subclass of nn.Linear.
        transposed = type(layer).__name__ == "Conv1D"
        if (transposed or isinstance(layer, nn.Linear)) and layer is not head and "pooler" not in name.split("."):
            rows, columns = cast(Tensor, layer.weight).shape
            inputs, outputs = (rows, columns) if transposed else (columns, rows)
            layers[name] = Linear(inputs, outputs, layer, transposed)
    return layers


def blocks_of(module: nn.Module) -> list[nn.Module]:
    """The transformer blocks: the first list of modules that is as long as the configuration says.

    No attribute names them in all architectures. Raises UserError where there is no such list.
    """
    layers = int(cast(Any, module).config.get_text_config().num_hidden_layers)
    lists = [each for each in module.modules() if isinstance(each, nn.ModuleList) and len(each) == layers]
    if not lists:
        raise UserError(f"{type(module).__name__} has no list of {layers} blocks to choose the last ones from")
    return list(lists[0])


def kv_shape(config: Any) -> tuple[int, int]:
    """Number of heads of a block's keys and values, and their size; from the configuration of the text model."""
    # Architectures without grouped heads, or with heads that divide the hidden size, do not have these settings.
    settings = {"num_key_value_heads": None, "head_dim": None, **config.to_dict()}
    heads = settings["num_key_value_heads"] or config.num_attention_heads
    return int(heads), int(settings["head_dim"] or config.hidden_size // config.num_attention_heads)
