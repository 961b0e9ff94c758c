"""What PEFT could not load is refused in one line, before anything is asked."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from inweights.context.qa_tokens import Question
from inweights.exports.peft_check import refuse_unloadable
from inweights.learning.inputs import read_inputs
from inweights.learning.pipeline import learn_into
from inweights.learning.request import LearnRequest
from inweights.models.base import Backbone
from inweights.types import UserError
from inweights.updates import LoRA
from tests.tiny import ARCHITECTURES, metaspace, tiny

MLA = {"kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 8}
EXPERTS = {
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
    "n_shared_experts": 1,
    "moe_intermediate_size": 16,
}
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 300, "pad_token_id": 0}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 48}
ODD = {"mamba": {"state_size": 4}, "deepseek_v3": HEADS | MLA | EXPERTS}


def made(architecture: str, folder) -> str:
    config = AutoConfig.for_model(architecture, **SIZES, **ODD[architecture], bos_token_id=1, eos_token_id=2)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    metaspace().save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(
    ("architecture", "reason"), [("mamba", "Module 'out_proj' is incompatible"), ("deepseek_v3", "such as model.layers")]
)
def test_a_lora_that_peft_cannot_put_back_is_refused_before_anything_is_asked(architecture, reason, tmp_path):
    (tmp_path / "text.txt").write_text("The judge saw the doctor.")
    inputs = read_inputs(made(architecture, tmp_path / "model"), [str(tmp_path / "text.txt")])
    said: list[str] = []
    read = inputs.model.counter.tokens
    with pytest.raises(UserError, match=r"^a LoRA of \w+ cannot be exported for PEFT: take --as merged") as error:
        learn_into(tmp_path / "out", inputs, LearnRequest(queries=(Question("Who?", gold="the judge"),)), said.append)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert (said, inputs.model.counter.tokens) == ([], read)
    assert not (tmp_path / "out.work").exists()
    refuse_unloadable(inputs.model, "merged", LoRA())


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "bloom"])
def test_every_other_architecture_is_let_through(architecture):
    model = tiny(architecture)
    refuse_unloadable(model, "lora", LoRA(rank=2))
    refuse_unloadable(model, "kv", LoRA())


def test_keys_and_values_of_unlike_width_are_refused_as_a_prefix(causal: Backbone, monkeypatch):
    own = type(causal).prefix

    def narrower(self, ids):
        found = own(self, ids)
        return type(found)(found.ids, found.keys, tuple(value[..., :-2] for value in found.values))

    monkeypatch.setattr(type(causal), "prefix", narrower)
    with pytest.raises(
        UserError, match=r"are of unlike width \(2 x 6 and 2 x 8\), and PEFT stores a prefix of one: take --as"
    ):
        refuse_unloadable(causal, "kv", LoRA())
