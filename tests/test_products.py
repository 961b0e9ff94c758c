"""Products through oneDNN equal torch's own: layers, their gradients, attention over a prefix, whole models."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers.pytorch_utils import Conv1D

from inweights.engine import attention_kernels, products
from inweights.engine.attention_kernels import Rule, weighed
from inweights.engine.products import fast_products, linear
from inweights.engine.trees import Tree
from tests.tiny import ARCHITECTURES, ENCODERS, tiny

pytestmark = pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="torch without oneDNN")
TREES = [Tree((7, 4, 6, 8, 5, 11, 3), ((3, 9), (5,))), Tree((10, 5, 4)), Tree((6, 7, 8, 9, 10, 11), ((12,), (13, 14)))]


@pytest.fixture
def everywhere(monkeypatch):
    """oneDNN computes every product that it can, whatever the processor and the size; how many it has computed."""
    computed: list[int] = []
    whole = products._onednn

    def counted(*inputs):
        computed.append(1)
        return whole(*inputs)

    def switch_on():
        monkeypatch.setattr(products, "SMALLEST", 0)
        monkeypatch.setattr(attention_kernels, "SCORES_IN_PRODUCTS", 0)
        monkeypatch.setattr(attention_kernels, "QUERIES_IN_CACHE", 5)
        monkeypatch.setattr(attention_kernels, "onednn_is_faster", lambda: True)
        monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
        monkeypatch.setattr(products, "_onednn", counted)
        return computed

    return switch_on


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("trained", ["x", "weight", "all"])
def test_a_product_and_its_gradients_equal_those_of_torch(everywhere, bias, trained):
    torch.manual_seed(0)
    x, weight, b = torch.randn(2, 7, 5), torch.randn(6, 5), torch.randn(6) if bias else None
    leaves = (
        [x] if trained == "x" else [weight] if trained == "weight" else [each for each in (x, weight, b) if each is not None]
    )
    for leaf in leaves:
        leaf.requires_grad_()
    weights = torch.randn(2, 7, 6)
    expected = F.linear(x, weight, b)
    of_expected = torch.autograd.grad((expected * weights).sum(), leaves)
    computed = everywhere()
    found = linear(x, weight, b)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad((found * weights).sum(), leaves), of_expected)
    assert len(computed) == 1 + len([leaf for leaf in leaves if leaf is not b])


def test_other_dtypes_and_autocast_are_left_to_torch(everywhere):
    computed = everywhere()
    x, weight = torch.randn(3, 4), torch.randn(5, 4)
    assert torch.equal(linear(x.double(), weight.double()), F.linear(x.double(), weight.double()))
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(x, weight).dtype == torch.bfloat16
    assert not computed


def test_layers_are_as_before_afterwards_and_those_with_their_own_forward_pass_keep_it(everywhere):
    computed = everywhere()
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), Conv1D(3, 4)).requires_grad_(False)
    module[1].forward = lambda x: x + 1
    x = torch.randn(2, 4)
    expected = module(x)
    with fast_products(module), fast_products(module):
        torch.testing.assert_close(module(x), expected)
    assert len(computed) == 2
    assert ["forward" in vars(layer) for layer in module] == [False, True, False]


@pytest.mark.parametrize("masked", [True, False])
@torch.no_grad()
def test_attention_in_products_equals_the_fused_kernel_and_has_its_log_sum_exp(everywhere, masked):
    torch.manual_seed(0)
    q, k, v = torch.randn(1, 2, 12, 8), torch.randn(1, 2, 9, 8), torch.randn(1, 2, 9, 8)
    # A query that sees no key at all weighs nothing after it is joined with others; its log-sum-exp is finite.
    mask = torch.zeros(12, 9).masked_fill(torch.rand(12, 9) < 0.3, torch.finfo(torch.float32).min / 2)
    mask[3] = torch.finfo(torch.float32).min / 2
    rule = Rule(0.3, None, 0.0, None)
    expected = weighed(q, k, v, mask if masked else None, rule, causal=False)
    computed = everywhere()
    found = weighed(q, k, v, mask if masked else None, rule, causal=False)
    torch.testing.assert_close(found, expected)
    assert len(computed) == 2 * 3 * 2  # heads, pieces of five queries, two products


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_and_gradients_of_a_model_equal_those_of_torch(architecture, everywhere):
    model = tiny(architecture)
    [block] = model.blocks()[:1]
    trained = [each.requires_grad_() for each in block.parameters()]

    def read():
        with torch.no_grad():
            after = model.next_token_logits(TREES, model.prefix(range(4, 40)))
        alone = model.next_token_logits(TREES)
        return after, alone, torch.autograd.grad(alone.square().mean(), trained)

    expected = read()
    computed = everywhere()
    torch.testing.assert_close(read(), expected, rtol=1e-3, atol=1e-4)
    assert computed


@pytest.mark.parametrize("architecture", ENCODERS)
@torch.no_grad()
def test_summaries_of_an_encoder_equal_those_of_torch(architecture, everywhere):
    model, sequences = tiny(architecture), [(2, 7, 4, 6, 3), (2, 9, 3)]
    expected = model.summaries(sequences)
    assert not torch.isnan(expected).any()
    computed = everywhere()
    torch.testing.assert_close(model.summaries(sequences), expected, rtol=0, atol=1e-4)
    assert computed
