"""What training asks of a model's linear layers, counted, and how fast the machine does just these products.

Counted is what must be computed, whoever computes it: a product forward, one for the gradient of the weight where the
weight trains, one for the gradient of the input where something before it trains. Tokens without padding, the head
where an answer is read alone. Left out: attention, norms, embeddings, the optimizer, and anything done twice.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.bench import timed
from inweights.engine.products import linear


def training_flop(module: Any, parameters: Mapping[str, Tensor], tokens: int, reads: int) -> int:
    """Of one pass, forward and backward. `parameters`: those that train, named as an update names them.

    `tokens` go through the blocks, `reads` of them through the head.
    """
    head = module.get_output_embeddings()
    asks = _asks_for_gradient(module, parameters)
    weights = _trained_weights(module, parameters)
    total = 0
    for name, layer in _linear(module):
        size, rows = layer.weight.numel(), reads if layer is head else tokens
        total += 2 * size * rows * (1 + (id(layer.weight) in weights) + asks[name])
        if f"{name}.lora_A.weight" in parameters:
            a, b = (parameters[f"{name}.lora_{each}.weight"].numel() for each in "AB")
            total += 2 * rows * (a * (2 + asks[name]) + 3 * b)
    return total


@torch.no_grad()
def matrix_rate(module: Any, tokens: int) -> float:
    """FLOP per second of x W^T over the weights of all linear layers but the head, in turn; the fastest of three."""
    head = module.get_output_embeddings()
    weights = [layer.weight for _, layer in _linear(module) if layer is not head]
    widths = {weight.shape[1] for weight in weights}
    x = {width: torch.randn(tokens, width, dtype=module.dtype, device=module.device) for width in widths}

    def products() -> None:
        for weight in weights:
            linear(x[weight.shape[1]], weight)

    products()
    return 2 * tokens * sum(map(Tensor.numel, weights)) / min(timed(products).seconds for _ in range(3))


def shares(flop: float, seconds: Sequence[float], rates: Sequence[float]) -> dict[str, float]:
    """What the products alone would take, of the time that was taken; the median over the turns."""
    return {
        "flop_per_step": flop,
        "matrix_rate": median(rates),
        "share_of_matrix_rate": median(flop / each / rate for each, rate in zip(seconds, rates, strict=True)),
    }


def _linear(module: Any) -> list[tuple[str, nn.Linear]]:
    return [(name, layer) for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]


def _trained_weights(module: Any, parameters: Mapping[str, Tensor]) -> set[int]:
    return {id(parameter) for name, parameter in module.named_parameters() if name in parameters}


def _asks_for_gradient(module: Any, parameters: Mapping[str, Tensor]) -> dict[str, bool]:
    """Of every linear layer, whether its input needs a gradient: asked of autograd, over two tokens."""
    found: dict[str, bool] = {}
    zero = torch.zeros((), device=module.device, dtype=module.dtype, requires_grad=True)

    def before(name: str) -> Any:
        def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            found[name] = inputs[0].requires_grad

        return note

    def added(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output + zero

    handles = [layer.register_forward_pre_hook(before(name)) for name, layer in _linear(module)]
    handles += [
        layer.register_forward_hook(added) for name, layer in _linear(module) if f"{name}.lora_A.weight" in parameters
    ]
    was = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in parameters)
    with torch.enable_grad():
        module(input_ids=torch.tensor([[5, 6]], device=module.device))
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(was[name])
    for handle in handles:
        handle.remove()
    return found
