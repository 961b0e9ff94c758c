"""Rotary frequencies that depend on the longest sequence of a pass: no score may depend on its neighbours through them."""

from dataclasses import replace

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from inweights.engine.trees import Tree
from inweights.models import load
from inweights.types import UserError
from tests.tiny import metaspace

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "vocab_size": 300, "intermediate_size": 64}
LONG = {"short_factor": [1.0] * 4, "long_factor": [4.0, 3.0, 2.0, 1.5]}
ROPES = {
    "longrope": ("phi3", {"rope_type": "longrope", "rope_theta": 10000.0, **LONG}, {"original_max_position_embeddings": 64}),
    "dynamic": ("llama", {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}, {}),
}
SHORT, LONGEST = tuple(range(5, 15)), tuple(range(3, 67))


@pytest.fixture(params=ROPES)
def model(request, tmp_path):
    """It reads 64 tokens by the frequencies of its first training, and more by others."""
    kind, rope, more = ROPES[request.param]
    window = 512 if more else 64
    config = AutoConfig.for_model(kind, **SIZES, **SPECIAL, **more, max_position_embeddings=window, rope_parameters=rope)
    torch.manual_seed(0)
    module = AutoModelForCausalLM.from_config(config)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    module.save_pretrained(tmp_path)
    metaspace().save_pretrained(tmp_path)
    return load(str(tmp_path))


@pytest.mark.parametrize("packs", [True, False])
@torch.no_grad()
def test_scores_do_not_depend_on_a_neighbour_as_long_as_the_window(model, packs):
    reader = replace(model, packs=packs)
    alone = reader.next_token_logits([Tree(SHORT)])
    beside = reader.next_token_logits([Tree(SHORT), Tree(LONGEST)])[:1]
    torch.testing.assert_close(beside, alone, rtol=0, atol=1e-5)


@torch.no_grad()
def test_scores_do_not_depend_on_where_a_prefix_is_cut(model):
    whole = model.next_token_logits([Tree(LONGEST)])
    for cut in (1, 20, 60):
        behind = model.next_token_logits([Tree(LONGEST[cut:])], model.prefix(LONGEST[:cut]))
        torch.testing.assert_close(behind, whole, rtol=0, atol=1e-4)


def test_what_would_change_the_frequencies_is_not_read(model):
    assert model.card.max_tokens == 64
    with pytest.raises(UserError, match="65 tokens"):
        model.next_token_logits([Tree((*LONGEST, 7))])
