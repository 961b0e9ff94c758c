"""Where the transformer blocks of a transformers model are."""

from typing import Any, cast

from torch import nn

from inweights.types import UserError


def blocks_of(module: nn.Module) -> list[nn.Module]:
    """The first list of modules that is as long as the configuration says. Raises UserError where there is none."""
    layers = int(cast(Any, module).config.get_text_config().num_hidden_layers)
    lists = [each for each in module.modules() if isinstance(each, nn.ModuleList) and len(each) == layers]
    if not lists:
        raise UserError(f"{type(module).__name__} has no list of {layers} blocks to choose the last ones from")
    return list(lists[0])


def kv_shape(config: Any) -> tuple[int, int]:
    """Heads of the keys and values of a block, and numbers in each; from the configuration of the text model."""
    # Architectures without grouped heads, or with heads as wide as the blocks, leave these out.
    settings = {"num_key_value_heads": None, "head_dim": None, **config.to_dict()}
    heads = settings["num_key_value_heads"] or config.num_attention_heads
    return int(heads), int(settings["head_dim"] or config.hidden_size // config.num_attention_heads)
