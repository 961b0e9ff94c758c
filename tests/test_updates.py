"""Updates: what each one lets change, and that the shared weights never do."""

import re

import pytest
import torch
from torch import nn

from inweights.engine.trees import Tree
from inweights.models.base import Backbone
from inweights.models.digest import weights_digest
from inweights.types import UserError
from inweights.updates import UPDATES, BitFit, Full, LastBlocks, LoRA, PromptTuning, Update
from inweights.updates.base import Work
from inweights.updates.peft_format import Target
from tests.tiny import ARCHITECTURES, ENCODERS, PADDED_ONLY, tiny

TREES = (Tree((5, 9, 14, 3), ((7, 8),)), Tree((11, 6)))
ALL = [*ARCHITECTURES, *PADDED_ONLY, *ENCODERS]
WITH_BIAS = ["opt", "opt-350m", "gpt2", "gpt_neox", "bloom", "bert", "roberta", "distilbert", "qwen2"]
WITHOUT_BIAS = ["llama", "qwen3", "gemma", "gemma2", "gemma3_text", "mistral", "phi3"]


def applies(name: str, architecture: str) -> bool:
    return name not in ("frozen", "prefix", "prompt") and (name != "bitfit" or architecture in WITH_BIAS)


CASES = [(name, architecture) for architecture in ALL for name in UPDATES if applies(name, architecture)]


def read(model: Backbone) -> torch.Tensor:
    if model.card.family == "encoder":
        return model.summaries([tree.stem for tree in TREES], "mean")
    return model.next_token_logits(TREES)


def trained_a_step(name: str, model: Backbone):
    adapted = UPDATES[name].apply(model, seed=0)
    for _ in range(2):  # LoRA's A has no gradient while B is zero
        grads = torch.autograd.grad(read(adapted.model).square().mean(), list(adapted.parameters.values()))
        with torch.no_grad():
            for parameter, grad in zip(adapted.parameters.values(), grads, strict=True):
                parameter -= 0.01 * grad.sign()
    return adapted


@pytest.mark.parametrize(("name", "architecture"), CASES)
def test_an_update_starts_as_the_backbone_and_every_parameter_of_it_learns(name, architecture):
    model = tiny(architecture)
    before = weights_digest(model.module)
    with torch.no_grad():
        plain = read(model)
        torch.testing.assert_close(read(UPDATES[name].apply(model, seed=0).model), plain)
    adapted = trained_a_step(name, model)
    with torch.no_grad():
        assert not torch.allclose(read(adapted.model), plain)
        torch.testing.assert_close(read(model), plain, rtol=0, atol=0)
    assert weights_digest(model.module) == before
    assert not any(parameter.requires_grad for parameter in model.module.parameters())


@pytest.mark.parametrize("name", UPDATES)
def test_equal_seeds_give_equal_starts(name):
    model = tiny("opt")
    one, same = (UPDATES[name].apply(model, seed=3).parameters for _ in range(2))
    assert list(one) == list(same)
    assert all(torch.equal(one[key], same[key]) for key in one)


def test_full_is_every_parameter_once_and_a_tied_head_stays_tied():
    model = tiny("opt")
    assert model.module.lm_head.weight is model.module.model.decoder.embed_tokens.weight
    adapted = Full().apply(model, seed=0)
    assert sum(p.numel() for p in adapted.parameters.values()) == model.card.parameters
    assert "lm_head.weight" not in adapted.parameters
    with torch.no_grad():
        adapted.parameters["model.decoder.embed_tokens.weight"].zero_()
        assert read(adapted.model).abs().max() == 0


@pytest.mark.parametrize("architecture", WITH_BIAS)
def test_bitfit_is_every_bias_and_no_gain(architecture):
    model = tiny(architecture)
    names = set(BitFit().apply(model, seed=0).parameters)
    everything = {name for name, _ in model.module.named_parameters() if "pooler" not in name}
    assert names == {name for name in everything if name.endswith("bias")}
    gains = {
        f"{name}.bias"
        for name, module in model.module.named_modules()
        if "norm" in type(module).__name__.lower() and getattr(module, "bias", None) is not None
    }
    assert gains <= names


@pytest.mark.parametrize("architecture", WITHOUT_BIAS)
def test_bitfit_without_a_bias_is_an_error_that_says_why(architecture):
    model = tiny(architecture)
    with pytest.raises(UserError, match=f"{model.card.architecture} has no bias terms .*: take lora"):
        BitFit().apply(model, seed=0)


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("opt", ("model.decoder.final_layer_norm.weight", "model.decoder.final_layer_norm.bias")),
        ("llama", ("model.norm.weight", "lm_head.weight")),
        ("gpt_neox", ("gpt_neox.final_layer_norm.weight", "gpt_neox.final_layer_norm.bias", "lm_head.weight")),
        ("gpt2", ("transformer.ln_f.weight", "transformer.ln_f.bias")),
        ("opt-350m", ("model.decoder.project_out.weight",)),
        ("bert", ()),
    ],
)
def test_last_blocks_are_the_blocks_and_what_follows_them(architecture, expected):
    model = tiny(architecture)
    inside = [id(parameter) for parameter in model.blocks()[-1].parameters()]
    blocks = [name for name, parameter in model.module.named_parameters() if id(parameter) in inside]
    adapted = LastBlocks(blocks=1).apply(model, seed=0)
    untied = [name for name in expected if name in dict(model.module.named_parameters())]
    assert sorted(adapted.parameters) == sorted([*blocks, *untied])
    assert set(adapted.lr_scales) == set(adapted.parameters)


def test_a_lower_block_learns_more_slowly():
    adapted = LastBlocks(blocks=2, decay=0.5).apply(tiny("opt"), seed=0)
    assert adapted.lr_scales["model.decoder.layers.1.fc1.weight"] == 1
    assert adapted.lr_scales["model.decoder.layers.0.fc1.weight"] == 0.5
    assert adapted.lr_scales["model.decoder.final_layer_norm.weight"] == 1


def test_gradual_unfreezing_begins_at_the_top():
    adapted = LastBlocks(blocks=2, unfreeze="gradually").apply(tiny("opt"), seed=0)
    assert adapted.starts["model.decoder.layers.0.fc1.weight"] == 0.5
    assert "model.decoder.layers.1.fc1.weight" not in adapted.starts


def test_more_blocks_than_there_are_is_an_error():
    with pytest.raises(UserError, match=r"the last 3 blocks cannot be trained: .* has 2"):
        LastBlocks(blocks=3).apply(tiny("opt"), seed=0)


@pytest.mark.parametrize(("name", "architecture"), CASES)
def test_what_an_update_adds_to_the_weights_merged_into_them_equals_the_update(name, architecture):
    model = tiny(architecture)
    adapted = trained_a_step(name, model)
    deltas = UPDATES[name].deltas(model, adapted.parameters)
    if name == "adapter":
        assert deltas is None
        return
    merged = tiny(architecture)
    weights = dict(merged.module.named_parameters())
    with torch.no_grad():
        for weight, delta in deltas.items():
            weights[weight] += delta
        torch.testing.assert_close(read(merged), read(adapted.model), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", UPDATES)
def test_an_update_has_all_that_others_ask_of_it(name):
    """Its paper, its own file format read back to the bit, and counts for the forecast."""
    update, model = UPDATES[name], tiny("opt")
    assert isinstance(update, Update)
    assert re.match(r".+ \(.+ (19|20)\d\d, arXiv \d{4}\.\d{5}\): ", type(update).__doc__)
    adapted = update.apply(model, seed=0)
    work = update.work(model, adapted.parameters)
    assert work.numbers == sum(parameter.numel() for parameter in adapted.parameters.values())
    assert 0 <= max(work.products, work.narrow) <= work.numbers
    assert 0 < work.kept <= 1
    stored = update.stored(adapted.parameters, Target(model, "base"))
    assert update.peft == (stored is not None and stored.config is not None)
    if stored is not None:
        again = update.restored(stored.tensors, adapted)
        assert all(torch.equal(again[key], parameter) for key, parameter in adapted.parameters.items())


def test_keys_and_values_and_prompts_merge_into_no_weight():
    for name in ("prefix", "prompt"):
        assert UPDATES[name].deltas(tiny("opt"), UPDATES[name].apply(tiny("opt"), 0).parameters) is None


def test_work_counts_a_lora_of_rank_two_by_hand():
    """OPT of width 32, feed-forward width 64, two blocks: four layers 32 -> 32, one 32 -> 64, one 64 -> 32."""
    model = tiny("opt")
    lora = LoRA(rank=2)
    numbers = 2 * 2 * (4 * (32 + 32) + 2 * (32 + 64))
    assert lora.work(model, lora.apply(model, 0).parameters) == Work(numbers, narrow=numbers)
    last = LastBlocks(blocks=1)
    assert last.work(model, last.apply(model, 0).parameters).products == 4 * 32 * 32 + 2 * 32 * 64
    prompt = PromptTuning(tokens=3)
    assert prompt.work(model, prompt.apply(model, 0).parameters) == Work(3 * 32, tokens=3, kept=prompt.work(model, {}).kept)


def test_lora_targets_are_a_regular_expression_and_never_the_head():
    model = tiny("llama")
    chosen = LoRA(targets=r"q_proj|v_proj").apply(model, seed=0).parameters
    assert {name.split(".")[4] for name in chosen} == {"q_proj", "v_proj"}
    assert not any("lm_head" in name for name in LoRA().apply(model, seed=0).parameters)


def test_lora_mistakes_say_what_there_is():
    with pytest.raises(UserError, match=r"targets 'qproj' match no linear layer of LlamaForCausalLM; it has q_proj, k_"):
        LoRA(targets="qproj").apply(tiny("llama"), seed=0)
    with pytest.raises(UserError, match=r"update\.rank is 0: expected at least 1"):
        LoRA(rank=0)
    with pytest.raises(UserError, match="is not a regular expression"):
        LoRA(targets="(")


@pytest.mark.parametrize("name", sorted({*UPDATES} - {"frozen", "prefix", "prompt"}))
def test_a_backbone_in_half_precision_is_trained_in_fp32(name):
    model = tiny("opt")
    model.module.to(torch.bfloat16)
    adapted = UPDATES[name].apply(model, seed=0)
    assert {parameter.dtype for parameter in adapted.parameters.values()} == {torch.float32}
    read(adapted.model).square().mean().backward()
    moved = [p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in adapted.parameters.values()]
    assert all(moved)
    assert {p.dtype for p in model.module.parameters()} == {torch.bfloat16}


def test_two_updates_on_one_backbone_do_not_see_each_other():
    model = tiny("gpt2")
    one, other = trained_a_step("bitfit", model), trained_a_step("lora", model)
    with torch.no_grad():
        first, second = read(one.model), read(other.model)
        assert not torch.allclose(first, second)
        torch.testing.assert_close(read(one.model), first, rtol=0, atol=0)


def test_an_error_in_the_middle_of_a_pass_takes_the_update_off():
    model = tiny("opt")
    before = weights_digest(model.module)
    for name in sorted({*UPDATES} - {"frozen", "prefix", "prompt"}):
        adapted = trained_a_step(name, model)
        with pytest.raises((UserError, IndexError)):
            adapted.model.next_token_logits([Tree((10**6,))])
        assert weights_digest(model.module) == before
        assert not any(module._forward_hooks for module in model.module.modules())
        assert isinstance(model.module.lm_head, nn.Linear)
