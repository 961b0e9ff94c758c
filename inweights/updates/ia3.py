"""(IA)3: learned scales of keys, values and the inputs of feed-forward layers."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from inweights.engine.current_layout import current
from inweights.engine.switches import hooked
from inweights.engine.trees import Patch
from inweights.models.base import Backbone
from inweights.training import Schedule
from inweights.types import UserError
from inweights.updates.base import Adapted, Work, count
from inweights.updates.peft_format import Stored, Target, is_conv, named_by_backbone, named_by_peft


@dataclass(frozen=True)
class IA3:
    """(IA)3 (Liu et al. 2022, arXiv 2205.05638): l * W x for keys and values, W (l * x) after the feed-forward activation.

    Every l is 1 at the start.
    """

    name = "ia3"
    stacks = True
    schedule = Schedule(lr=1e-2, epochs=20, batch_size=8, stop_loss=0.01)
    peft = True
    limits = ""
    attention: str = r"(^|\.)(k_proj|v_proj|key|value|k_lin|v_lin|c_attn|query_key_value|qkv_proj)$"
    """Layers whose outputs are scaled, as a regular expression searched for in module names. Where one layer makes
    queries, keys and values, all of its outputs are scaled."""
    feedforward: str = r"(^|\.)(fc2|down_proj|mlp\.c_proj|dense_4h_to_h|(?<!attention\.)output\.dense|lin2)$"
    """Layers whose inputs are scaled."""

    def __post_init__(self) -> None:
        for name in ("attention", "feedforward"):
            try:
                re.compile(getattr(self, name))
            except re.error as error:
                raise UserError(f"(IA)3's {name} {getattr(self, name)!r} is not a regular expression: {error}") from error

    def apply(self, model: Backbone, seed: int) -> Adapted:
        layers = model.linear_layers()
        # Feed-forward first: its expression is the narrower one where a name matches both.
        inner = {name: layer for name, layer in layers.items() if re.search(self.feedforward, name)}
        outer = {name: layer for name, layer in layers.items() if re.search(self.attention, name) and name not in inner}
        if not outer and not inner:
            known = ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in layers))
            raise UserError(
                f"(IA)3 finds no layers of keys, values and feed-forward by name in {model.card.architecture}, which has "
                f"{known}: set update.attention and update.feedforward"
            )
        device = model.device
        parameters: dict[str, nn.Parameter] = {}
        for name, layer in {**outer, **inner}.items():
            size = (1, layer.inputs) if name in inner else (layer.outputs, 1)  # PEFT's shapes
            parameters[scale_name(name)] = nn.Parameter(torch.ones(size, device=device))
        of_outputs, of_inputs = ({name: layer.module for name, layer in each.items()} for each in (outer, inner))
        return Adapted(model.patched(_Scaled(of_outputs, of_inputs, (parameters,))), parameters)

    def stored(self, trained: Mapping[str, Tensor], target: Target) -> Stored:
        from peft import IA3Config

        names = [name.removesuffix(".ia3_l") for name in trained if name.endswith(".ia3_l")]
        inner = [name for name in names if re.search(self.feedforward, name)]
        conv = any(is_conv(target.module.get_submodule(name)) for name in names)
        config = IA3Config(target_modules=names, feedforward_modules=inner, fan_in_fan_out=conv, **target.with_head())
        return Stored(named_by_peft(trained), config)

    def restored(self, stored: Mapping[str, Tensor], adapted: Adapted) -> Mapping[str, Tensor]:
        return named_by_backbone(stored)

    def deltas(self, model: Backbone, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        deltas = {}
        for name, layer in model.linear_layers().items():
            if scale_name(name) in parameters:
                # l W x is W x + (l - 1) W x. The scale is a column for outputs and a row for inputs.
                change = parameters[scale_name(name)].detach().float() - 1
                bias = layer.module._parameters["bias"]
                deltas[f"{name}.weight"] = layer.as_stored(layer.weight.float() * change)
                if bias is not None and not re.search(self.feedforward, name):
                    deltas[f"{name}.bias"] = bias.float() * change[:, 0]
        return deltas

    def work(self, model: Backbone, parameters: Mapping[str, Tensor]) -> Work:
        return Work(count(parameters), kept=0.85)


def scale_name(layer: str) -> str:
    return f"{layer}.ia3_l"


@dataclass(frozen=True)
class _Scaled:
    """The patch, of one run or of several in one row."""

    outer: Mapping[str, nn.Module]
    inner: Mapping[str, nn.Module]
    parameters: tuple[Mapping[str, nn.Parameter], ...] = field(repr=False)

    def __call__(self) -> AbstractContextManager[None]:
        return hooked(self._hooks())

    def beside(self, others: Sequence[Patch]) -> Patch | None:
        patches = [self, *(patch for patch in others if isinstance(patch, _Scaled))]
        alike = [patch for patch in patches if patch.outer == self.outer and patch.inner == self.inner]
        if len(alike) <= len(others):
            return None
        return _Scaled(self.outer, self.inner, tuple(run for patch in alike for run in patch.parameters))

    def _hooks(self) -> Iterator[RemovableHandle]:
        for name, layer in self.outer.items():
            yield layer.register_forward_hook(_of_output(self._scale(name)))
        for name, layer in self.inner.items():
            yield layer.register_forward_pre_hook(_of_input(self._scale(name)))

    def _scale(self, name: str) -> Callable[[Tensor], Tensor]:
        scales = [each[scale_name(name)].flatten() for each in self.parameters]

        def scaled(x: Tensor) -> Tensor:
            if len(scales) == 1:
                return (x * scales[0]).to(x.dtype)
            layout = current()
            assert layout is not None
            # A product of 0/1 rows with the scales picks each token's run, with a fast gradient.
            return (x * (layout.segment_of @ torch.stack(scales)).view(x.shape)).to(x.dtype)

        return scaled


def _of_output(scaled: Callable[[Tensor], Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    return lambda _, inputs, output: scaled(output)


def _of_input(scaled: Callable[[Tensor], Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    return lambda _, inputs: (scaled(inputs[0]), *inputs[1:])
