"""Prefix tuning and (IA)3 are PEFT's: the same scores from the same numbers, the same losses, in the same files."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from inweights.engine.trees import Tree
from inweights.methods.pattern import PatternFineTune
from inweights.models.digest import weights_digest
from inweights.types import Budget, UserError
from inweights.updates import IA3, PrefixTuning
from inweights.updates.peft_format import Target
from tests.test_methods_contract import PROMPT, QUERIES
from tests.test_together import SCHEDULE, draws, dropping
from tests.tiny import folder, tiny

IDS = (7, 4, 6, 8, 5, 11, 3)


def moved(parameters) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in parameters.values():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)


def peft_logits(architecture: str, place) -> torch.Tensor:
    from peft import PeftModel

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder(architecture)), str(place)).eval()
    with torch.no_grad():
        return model(input_ids=torch.tensor([IDS])).logits[0, -1]


@pytest.mark.parametrize("architecture", ["opt", "llama", "gpt2", "gpt_neox", "qwen3", "gemma"])
def test_scales_read_by_peft_give_our_scores(architecture, tmp_path):
    model = tiny(architecture)
    adapted = IA3().apply(model, 0)
    moved(adapted.parameters)
    IA3().stored(adapted.parameters, Target(model, "")).write(tmp_path)
    with torch.no_grad():
        ours = adapted.model.next_token_logits([Tree(IDS)])[0]
    torch.testing.assert_close(ours, peft_logits(architecture, tmp_path), rtol=0, atol=1e-4)
    assert not torch.allclose(ours, model.next_token_logits([Tree(IDS)])[0], atol=1e-3)


@pytest.mark.parametrize("architecture", ["opt", "llama", "gpt2", "gpt_neox", "qwen2"])
def test_a_prefix_read_by_peft_gives_our_scores(architecture, tmp_path):
    """Grouped heads too; and the file read back is the prefix, bit by bit."""
    model = tiny(architecture)
    adapted = PrefixTuning(tokens=5).apply(model, 0)
    moved(adapted.parameters)
    PrefixTuning().stored(adapted.parameters, Target(model, "")).write(tmp_path)
    with torch.no_grad():
        ours = adapted.model.next_token_logits([Tree(IDS)])[0]
    torch.testing.assert_close(ours, peft_logits(architecture, tmp_path), rtol=0, atol=1e-4)
    again = PrefixTuning().restored(load_file(tmp_path / "adapter_model.safetensors"), adapted)
    assert all(torch.equal(again[name], parameter) for name, parameter in adapted.parameters.items())
    assert json.loads((tmp_path / "adapter_config.json").read_text())["num_virtual_tokens"] == 5


def test_a_prefix_begins_as_that_of_tokens_from_the_vocabulary():
    model = tiny("llama")
    one, same, other = (PrefixTuning(3).apply(model, seed).parameters for seed in (0, 0, 1))
    assert torch.equal(one["prefix.0.key"], same["prefix.0.key"])
    assert not torch.equal(one["prefix.0.key"], other["prefix.0.key"])


@pytest.mark.parametrize("architecture", ["opt", "llama", "gpt2", "mistral", "gemma2"])
def test_every_number_of_a_prefix_learns_and_no_weight_moves(architecture):
    model = tiny(architecture)
    before = weights_digest(model.module)
    adapted = PrefixTuning(4).apply(model, 0)
    adapted.model.next_token_logits([Tree(IDS), Tree(IDS[:3])]).square().mean().backward()
    for name, parameter in adapted.parameters.items():
        assert parameter.grad is not None, name
        assert bool(torch.isfinite(parameter.grad).all())
        assert float(parameter.grad.abs().sum()) > 0, name
    assert weights_digest(model.module) == before


@torch.no_grad()
def test_demonstrations_are_read_behind_a_learnt_prefix():
    model = PrefixTuning(4).apply(tiny("llama"), 0).model
    whole = model.next_token_logits([Tree((5, 9, 14, *IDS))])
    torch.testing.assert_close(model.next_token_logits([Tree(IDS)], model.prefix((5, 9, 14))), whole, rtol=0, atol=1e-4)


def test_prefixes_stack_where_attention_drops_nothing():
    model, method = dropping(tiny("llama"), 0.0), PatternFineTune(PrefixTuning(4), SCHEDULE)
    together = method.fit(model, PROMPT, draws(), Budget())
    alone = method.fit(model, PROMPT, draws(), Budget(isolated=True))
    for one, other in zip(together, alone, strict=True):
        assert one.notes["stacked"] == 3
        assert one.losses == pytest.approx(other.losses, abs=1e-4)
        torch.testing.assert_close(one.readout(QUERIES), other.readout(QUERIES), rtol=0, atol=1e-4)


def test_what_cannot_be_is_said():
    with pytest.raises(UserError, match="expected a prefix of at least 1 token, not 0"):
        PrefixTuning(0)
    with pytest.raises(UserError, match="BloomForCausalLM reads whole padded prompts and cannot take a prefix"):
        PrefixTuning().apply(tiny("bloom"), 0)
    with pytest.raises(UserError, match="of the family encoder"):
        PrefixTuning().apply(tiny("bert"), 0)
    with pytest.raises(UserError, match="finds no layers of keys, values and feed-forward by name in LlamaForCausalLM"):
        IA3(attention="nothing", feedforward="nothing").apply(tiny("llama"), 0)
    with pytest.raises(UserError, match="is not a regular expression"):
        IA3(attention="(")
