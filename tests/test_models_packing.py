"""Sequences packed end to end read as they do one at a time, in front of a shared prefix or not."""

from dataclasses import replace

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from inweights.engine import attention_kernels
from inweights.engine.trees import Tree
from inweights.models.card import ModelCard
from inweights.models.causal import CausalLM
from inweights.models.packing_check import packing_where_equal
from tests.tiny import ENCODERS, folder, metaspace, tiny

SEQUENCES = [list(range(3, 40)), [7, 8], list(range(90, 60, -1)), [11, 12, 13, 14, 15]]
PREFIX = list(range(100, 140))
UNPACKABLE = {
    # A convolution, a recurrence, sinks in the softmax, attention in chunks: each mixes tokens in its own way.
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "mamba": {},
    "gpt_oss": {"num_local_experts": 2, "num_experts_per_tok": 1, "head_dim": 8},
    "llama4_text": {"intermediate_size_mlp": 64, "num_local_experts": 2, "head_dim": 8, "attention_chunk_size": 16},
}


def random_model(architecture: str) -> CausalLM:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "vocab_size": 300, "intermediate_size": 64}
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, **{**sizes, **special, **UNPACKABLE[architecture]})
    module = AutoModelForCausalLM.from_config(config).eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    card = ModelCard(architecture, "causal", type(module).__name__, 0, "fp32", "cpu", 512, "")
    return packing_where_equal(CausalLM(card, module, metaspace(), 32, (1,), packs=False))


@pytest.mark.parametrize("architecture", UNPACKABLE)
@torch.no_grad()
def test_an_architecture_that_packing_would_change_reads_whole_prompts(architecture):
    model = random_model(architecture)
    assert not model.packs
    trees = [Tree(tuple(ids)) for ids in SEQUENCES]
    found = model.next_token_logits(trees, model.prefix(PREFIX))
    plain = [model.module(torch.tensor([PREFIX + ids]), use_cache=False).logits[0, -1] for ids in SEQUENCES]
    torch.testing.assert_close(found, torch.stack(plain), rtol=0, atol=1e-4)


@pytest.mark.parametrize("pooling", ["own", "mean"])
@pytest.mark.parametrize("architecture", ENCODERS)
@torch.no_grad()
def test_encoders_read_a_packed_sequence_as_plain_transformers_reads_it_alone(architecture, pooling):
    plain = AutoModel.from_pretrained(folder(architecture), attn_implementation="eager").eval()
    states = [plain(torch.tensor([ids])).last_hidden_state[0] for ids in SEQUENCES]
    expected = torch.stack([each[0] if pooling == "own" else each.mean(0) for each in states])
    model = tiny(architecture)
    assert model.packs
    for reader in (model, replace(model, packs=False)):
        torch.testing.assert_close(reader.summaries(SEQUENCES, pooling), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("pooling", ["own", "mean"])
def test_gradients_of_an_encoder_packed_equal_those_padded(pooling):
    gradients = []
    for packs in (True, False):
        model = replace(tiny("bert"), packs=packs)
        model.module.requires_grad_(True)
        model.summaries(SEQUENCES, pooling).square().sum().backward()
        gradients.append({name: each.grad for name, each in model.module.named_parameters()})
    for name, packed in gradients[0].items():
        torch.testing.assert_close(packed, gradients[1][name], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "mistral", "opt"])
@torch.no_grad()
def test_queries_behind_a_prefix_read_as_whole_sequences(architecture):
    model = tiny(architecture)
    behind = model.next_token_logits([Tree(tuple(ids)) for ids in SEQUENCES], model.prefix(PREFIX))
    whole = model.next_token_logits([Tree((*PREFIX, *ids)) for ids in SEQUENCES])
    torch.testing.assert_close(behind, whole, rtol=0, atol=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "mistral"])
def test_gradients_through_a_prefix_are_finite_where_a_window_leaves_nothing_of_it_to_see(architecture):
    model = tiny(architecture)
    model.module.requires_grad_(True)
    model.next_token_logits([Tree(tuple(ids)) for ids in SEQUENCES], model.prefix(PREFIX)).sum().backward()
    assert all(bool(each.grad.isfinite().all()) for each in model.module.parameters())


@torch.no_grad()
def test_text_may_hold_the_token_that_also_pads():
    model = tiny("llama")
    assert model.tokenizer.pad_token_id == model.tokenizer.eos_token_id == 2
    sequences = [[1, 5, 2, 6, 2], [1, 7, 8, 9, 10, 11, 12], [1, 2]]
    packed, padded = (replace(model, packs=packs).summaries(sequences) for packs in (True, False))
    alone = torch.cat([model.summaries([ids]) for ids in sequences])
    torch.testing.assert_close(packed, alone, rtol=0, atol=1e-5)
    torch.testing.assert_close(padded, alone, rtol=0, atol=1e-5)


@torch.no_grad()
def test_reads_say_which_positions_are_wanted(causal):
    tree = Tree((5, 6, 7, 8), ((9, 10), (11,)))
    every = causal.next_token_logits([Tree((5, 6, 7, 8), reads=(0, 1, 2, 3))])
    for reader in (causal, replace(causal, packs=False)):
        ends = reader.next_token_logits([tree])
        assert len(ends) == 4  # the stem's end, and three tokens in branches
        torch.testing.assert_close(ends[0], every[3], rtol=0, atol=1e-5)
        branch = causal.next_token_logits([Tree((5, 6, 7, 8, 9, 10))])[0]
        torch.testing.assert_close(ends[2], branch, rtol=0, atol=1e-5)
        first = reader.next_token_logits([Tree(tree.stem, tree.branches, reads=(1, 4))])
        torch.testing.assert_close(first, torch.stack([every[1], ends[1]]), rtol=0, atol=1e-5)


@torch.no_grad()
def test_attention_in_pieces_is_attention_at_once(monkeypatch):
    model = tiny("gemma2")  # its soft cap has no fused kernel
    trees = [Tree(tuple(ids)) for ids in SEQUENCES]
    expected = model.next_token_logits(trees, model.prefix(PREFIX))
    monkeypatch.setattr(attention_kernels, "LARGEST_TABLE", 1000)
    torch.testing.assert_close(model.next_token_logits(trees, model.prefix(PREFIX)), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_half_precision_behind_a_prefix_stays_close_to_single():
    trees = [Tree(tuple(ids)) for ids in SEQUENCES]
    single = tiny("llama")
    half = replace(single, module=tiny("llama").module.to(torch.bfloat16))
    expected = single.next_token_logits(trees, single.prefix(PREFIX))
    difference = half.next_token_logits(trees, half.prefix(PREFIX)) - expected
    assert difference.abs().mean() < 0.05 * expected.std()


@pytest.mark.parametrize("prefixed", [False, True], ids=["alone", "behind a prefix"])
def test_dropout_in_attention_acts_in_training_alone(prefixed):
    module = tiny("llama").module
    for each in module.modules():
        if hasattr(each, "attention_dropout"):
            each.attention_dropout = 0.5
    model = replace(tiny("llama"), module=module)
    trees = [Tree(tuple(ids)) for ids in SEQUENCES]

    def read():
        return model.next_token_logits(trees, model.prefix(PREFIX) if prefixed else None)

    assert torch.equal(read(), read())
    module.train()
    torch.manual_seed(1)
    one = read()
    assert (one - read()).abs().max() > 1e-3
    torch.manual_seed(1)
    assert torch.equal(one, read())
