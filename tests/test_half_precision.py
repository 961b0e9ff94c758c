"""Packing in bf16 and fp16: allowed where it stays as close to fp32 as the model's own attention does."""

from dataclasses import replace

import pytest
import torch

from inweights.engine.attention import NAME
from inweights.engine.trees import Tree
from inweights.models import load
from inweights.models.architecture import blocks_of
from inweights.models.card import PACKED
from inweights.models.single_precision import in_single_precision
from tests.tiny import ARCHITECTURES, ENCODERS, PADDED_ONLY, folder

SEQUENCES = [list(range(3, 40)), [7, 8], list(range(90, 60, -1)), [11, 12, 13, 14, 15]]
PREFIX = list(range(100, 140))


def outputs(model):
    if model.card.family == "encoder":
        return model.summaries(SEQUENCES, "mean")
    return model.next_token_logits([Tree(tuple(ids), ((20, 21), (22,))) for ids in SEQUENCES], model.prefix(PREFIX))


def distance(found, expected):
    return float((found - expected).square().mean().sqrt() / expected.std())


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
@pytest.mark.parametrize("architecture", [*ARCHITECTURES, *ENCODERS])
@torch.no_grad()
def test_half_precision_packs_and_is_as_close_to_single_precision_as_whole_padded_prompts(architecture, dtype):
    model = load(str(folder(architecture)), dtype)
    assert model.packs
    assert model.card.attention == PACKED
    # The same rounded weights, computed in fp32 by the model's own attention: the reference of both.
    module, whole = model.module, replace(model, packs=False)
    module.set_attn_implementation("eager")
    with in_single_precision(module, blocks_of(module)):
        expected = outputs(whole)
    own = distance(outputs(whole), expected)
    module.set_attn_implementation(NAME)
    assert distance(outputs(model), expected) <= 1.5 * own + 0.01


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text", "opt-350m", "bert"])
@torch.no_grad()
def test_computing_in_single_precision_for_a_while_is_what_a_model_cast_to_fp32_gives(architecture):
    model = load(str(folder(architecture)), "bf16")
    before = {name: each.data_ptr() for name, each in model.module.named_parameters()}
    with in_single_precision(model.module, blocks_of(model.module)):
        found = outputs(model)
    assert {name: each.data_ptr() for name, each in model.module.named_parameters()} == before
    assert {each.dtype for each in model.module.parameters()} == {torch.bfloat16}
    single = load(str(folder(architecture)), "fp32")
    for name, each in single.module.named_parameters():
        each.copy_(model.module.get_parameter(name))
    torch.testing.assert_close(found, outputs(single), rtol=0, atol=2e-3 if architecture == "gemma3_text" else 1e-4)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_model_that_reads_whole_prompts_says_why(dtype):
    [architecture] = PADDED_ONLY
    model = load(str(folder(architecture)), dtype)
    assert not model.packs
    assert model.card.attention == "whole padded prompts (its attention cannot be replaced)"
    assert model.card.slow_path == f"{model.card.name}: {model.card.attention}, slower"


@torch.no_grad()
def test_weights_are_restored_where_a_pass_in_single_precision_fails():
    model = load(str(folder("llama")), "bf16")
    with pytest.raises(IndexError), in_single_precision(model.module, blocks_of(model.module)):
        model.module(torch.tensor([[10**6]]))
    assert {each.dtype for each in model.module.parameters()} == {torch.bfloat16}
