"""LoRA's own backward pass equals torch's, whatever the layer, for one run and for several in a row."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from inweights.engine.current_layout import laid_out
from inweights.engine.layouts import tree_layout
from inweights.engine.stacked_runs import RunSegment
from inweights.engine.trees import Tree
from inweights.updates import low_rank
from inweights.updates.low_rank import added

SCALE = 1.7
LANES = {1: (), 2: (RunSegment(3, 1), RunSegment(4, 1))}


def layer_of(kind):
    torch.manual_seed(0)
    layer = {
        "linear": lambda: nn.Linear(5, 6),
        "no bias": lambda: nn.Linear(5, 6, bias=False),
        "conv1d": lambda: Conv1D(6, 5),
    }
    return layer[kind]().double().requires_grad_(False)


def factors_of(runs):
    pairs = [(torch.randn(2, 5).double(), torch.randn(6, 2).double()) for _ in range(runs)]
    return [tuple(nn.Parameter(each) for each in pair) for pair in pairs]


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("kind", ["linear", "no bias", "conv1d"])
def test_products_and_gradients_equal_those_of_the_formula(kind, runs):
    layer, x = layer_of(kind), torch.randn(1, 7, 5).double().requires_grad_()
    plain = layer(x)
    factors = factors_of(runs)
    leaves = [x, *(each for pair in factors for each in pair)]
    rows = x[0].split([7] if runs == 1 else [3, 4])
    expected = layer(x) + SCALE * torch.cat([row @ a.T @ b.T for row, (a, b) in zip(rows, factors, strict=True)])
    weights = torch.randn(1, 7, 6).double()
    of_expected = torch.autograd.grad((expected * weights).sum(), leaves)
    layout = replace(tree_layout([Tree((0,) * 3), Tree((0,) * 4)], torch.device("cpu")), segments=LANES[runs])
    with laid_out(layout), added({"layer": layer}, {"layer": factors}, SCALE):
        found = layer(x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad((found * weights).sum(), leaves), of_expected)
    assert torch.equal(layer(x), plain)


def test_a_second_update_of_the_same_layer_adds_to_the_first():
    layer, x = layer_of("linear"), torch.randn(4, 5).double()
    [(a, b)], [(c, d)] = factors_of(1), factors_of(1)
    expected = layer(x) + SCALE * (x @ a.T @ b.T + x @ c.T @ d.T)
    with added({"layer": layer}, {"layer": [(a, b)]}, SCALE), added({"layer": layer}, {"layer": [(c, d)]}, SCALE):
        torch.testing.assert_close(layer(x), expected)
    assert "forward" not in vars(layer)


def test_a_layer_that_does_more_than_multiply_does_it_still():
    class Rounding(nn.Linear):
        def forward(self, x):
            return super().forward(x.round())

    layer, x = Rounding(5, 6).requires_grad_(False), torch.randn(4, 5)
    [(a, b)] = [[nn.Parameter(each.float()) for each in pair] for pair in factors_of(1)]
    expected = layer(x) + SCALE * (x @ a.T @ b.T)
    with added({"layer": layer}, {"layer": [(a, b)]}, SCALE):
        torch.testing.assert_close(layer(x), expected)


def test_an_error_inside_takes_the_factors_off():
    layer, x = layer_of("linear"), torch.randn(4, 5).double()
    plain = layer(x)
    with pytest.raises(ZeroDivisionError), added({"layer": layer}, {"layer": factors_of(1)}, SCALE):
        raise ZeroDivisionError
    assert torch.equal(layer(x), plain)


def test_a_layer_whose_own_weight_trains_keeps_its_gradient():
    layer, x = layer_of("linear").requires_grad_(), torch.randn(4, 5).double()
    with added({"layer": layer}, {"layer": factors_of(1)}, SCALE):
        layer(x).sum().backward()
    torch.testing.assert_close(layer.weight.grad, x.sum(0).expand(6, 5))


def test_a_backbone_in_half_precision_is_added_to_in_single(monkeypatch):
    monkeypatch.setattr(low_rank, "_LowRank", None)  # its own backward knows one dtype
    layer, x = layer_of("linear").bfloat16(), torch.randn(4, 5).bfloat16()
    [(a, b)] = [[nn.Parameter(each.float()) for each in pair] for pair in factors_of(1)]
    with added({"layer": layer}, {"layer": [(a, b)]}, SCALE):
        found = layer(x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, layer(x) + (SCALE * (x.float() @ a.T @ b.T)).bfloat16(), rtol=0.02, atol=0.02)
