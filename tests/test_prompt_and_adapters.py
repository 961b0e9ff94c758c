"""Prompt tuning is PEFT's; bottleneck adapters are those of the paper, written out here in plain torch."""

import json
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from inweights.engine.trees import Tree
from inweights.exports import About
from inweights.exports.export import write
from inweights.methods.pattern import PatternFineTune
from inweights.methods.vanilla import HeadFineTune
from inweights.models import load
from inweights.models.digest import weights_digest
from inweights.types import Budget, Example, UserError
from inweights.updates import Adapter, PrefixTuning, PromptTuning
from inweights.updates.adapter import ends_of_sublayers
from inweights.updates.peft_format import Target
from tests.exports import CHECKS, head
from tests.test_methods_contract import PROMPT, QUERIES, SHOTS
from tests.test_prefix_and_scales import IDS, moved, peft_logits
from tests.test_together import SCHEDULE, draws, dropping
from tests.tiny import ARCHITECTURES, ENCODERS, PADDED_ONLY, metaspace, tiny, wordpiece

# Prompt tuning


@pytest.mark.parametrize(
    "architecture", ["opt", "opt-350m", "llama", "gpt2", "gpt_neox", "qwen2", "gemma2", "gemma3_text", "mistral"]
)
def test_a_prompt_read_by_peft_gives_our_scores(architecture, tmp_path):
    """Scaled embeddings, embeddings narrower than the blocks and windows shorter than the prompt too."""
    model = tiny(architecture)
    adapted = PromptTuning(tokens=9).apply(model, 0)
    moved(adapted.parameters)
    PromptTuning(tokens=9).stored(adapted.parameters, Target(model, "")).write(tmp_path)
    with torch.no_grad():
        ours = adapted.model.next_token_logits([Tree(IDS)])[0]
        bare = model.next_token_logits([Tree(IDS)])[0]
    torch.testing.assert_close(ours, peft_logits(architecture, tmp_path), rtol=0, atol=1e-4)
    assert not torch.allclose(ours, bare, atol=1e-3)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["num_virtual_tokens"] == 9


@torch.no_grad()
@pytest.mark.parametrize("architecture", ["opt", "gpt2", "gemma", "gemma3_text"])
def test_a_prompt_begins_as_real_tokens_in_front_of_every_text(architecture):
    model = tiny(architecture)
    adapted = PromptTuning(3).apply(model, 0)
    table = model.module.get_input_embeddings()
    rows = table(torch.arange(table.weight.shape[0]))
    drawn = [int((rows - row).abs().sum(-1).argmin()) for row in adapted.parameters["prompt.embeddings"]]
    trees = [Tree(IDS, ((3, 9), (5,))), Tree(IDS[:3])]
    whole = [replace(tree, stem=(*drawn, *tree.stem)) for tree in trees]
    ours = adapted.model.next_token_logits(trees)
    torch.testing.assert_close(ours, model.next_token_logits(whole), rtol=0, atol=1e-4)


def test_prompts_of_other_seeds_begin_apart():
    one, other = (PromptTuning(3).apply(tiny("llama"), seed).parameters["prompt.embeddings"] for seed in (0, 1))
    assert not torch.equal(one, other)


@pytest.mark.parametrize("architecture", ["opt", "llama", "gpt2", "mistral", "gemma2"])
def test_every_number_of_a_prompt_learns_and_no_weight_moves(architecture):
    model = tiny(architecture)
    before = weights_digest(model.module)
    adapted = PromptTuning(4).apply(model, 0)
    adapted.model.next_token_logits([Tree(IDS), Tree(IDS[:3])]).square().mean().backward()
    grad = adapted.parameters["prompt.embeddings"].grad
    assert grad is not None
    assert bool((torch.isfinite(grad) & (grad != 0)).all())
    assert weights_digest(model.module) == before


@torch.no_grad()
def test_demonstrations_are_read_behind_a_learnt_prompt():
    model = PromptTuning(4).apply(tiny("llama"), 0).model
    whole = model.next_token_logits([Tree((5, 9, 14, *IDS))])
    behind, before = model.prefix((5, 9, 14)), model.counter.tokens
    torch.testing.assert_close(model.next_token_logits([Tree(IDS)], behind), whole, rtol=0, atol=1e-4)
    assert model.counter.tokens == before + len(IDS)  # the prompt is in what they stand behind


@pytest.mark.parametrize("architecture", ["opt", "llama", "gpt2", "gemma2"])
def test_prompts_stack_where_attention_drops_nothing(architecture):
    """With dropout between the layers of GPT-2, which each lane's prompt draws from that run's own stream."""
    model, method = dropping(tiny(architecture), 0.0), PatternFineTune(PromptTuning(4), SCHEDULE)
    for name, module in model.module.named_modules():
        if isinstance(module, nn.Dropout) and not name.endswith("attn_dropout"):
            module.p = 0.1
    together = method.fit(model, PROMPT, draws(), Budget())
    alone = method.fit(model, PROMPT, draws(), Budget(isolated=True))
    for one, other in zip(together, alone, strict=True):
        assert one.notes["stacked"] == 3
        assert one.losses == pytest.approx(other.losses, abs=1e-4)
        torch.testing.assert_close(one.readout(QUERIES), other.readout(QUERIES), rtol=0, atol=1e-4)


@pytest.mark.parametrize("update", [PromptTuning(8), PrefixTuning(8)], ids=["prompt", "prefix"])
def test_texts_are_cut_to_the_room_that_what_is_learnt_in_front_leaves(update):
    model = tiny("llama")
    model = replace(model, card=replace(model.card, max_tokens=64))
    long = tuple(replace(each, fields={"text": "the judge saw " * 300}) for each in SHOTS.labelled)
    for kind in (PatternFineTune, HeadFineTune):
        [fitted] = kind(update, SCHEDULE).fit(model, PROMPT, [replace(SHOTS, labelled=long)], Budget(steps=2))
        assert bool(torch.isfinite(fitted.readout(long)).all())
        assert fitted.readout.model.card.max_tokens == 56


def test_what_cannot_be_is_said(tmp_path):
    with pytest.raises(UserError, match="expected a learned prompt of at least 1 token, not 0"):
        PromptTuning(0)
    with pytest.raises(UserError, match="BloomForCausalLM reads whole padded prompts and cannot take a prompt"):
        PromptTuning().apply(tiny("bloom"), 0)
    with pytest.raises(UserError, match=r"a prompt needs a causal model, and .* is of the family encoder"):
        PromptTuning().apply(tiny("bert"), 0)
    with pytest.raises(UserError, match=r"PEFT has no format for a head on a learned prompt: export pbft\+prompt"):
        write(head(tiny("opt"), "prompt"), tmp_path, CHECKS, About())


# Adapters


def through(h: Tensor, parameters, layer: str, activation=F.gelu) -> Tensor:
    """What the paper puts behind a layer."""
    down, up = ([parameters[f"{layer}.adapter.{way}.{of}"] for of in ("weight", "bias")] for way in ("down", "up"))
    return h + activation(h @ down[0].T + down[1]) @ up[0].T + up[1]


def attended(q: Tensor, k: Tensor, v: Tensor, heads: int, causal: bool) -> Tensor:
    q, k, v = (each.unflatten(-1, (heads, -1)).transpose(0, 1) for each in (q, k, v))
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[1:]).triu(1).bool(), -math.inf)
    return (scores.softmax(-1) @ v).transpose(0, 1).flatten(1)


def by_hand_opt(module, parameters) -> Tensor:
    """The last token's logits of OPT with adapters: norms in front of the sub-layers."""
    inner = module.model.decoder
    h = inner.embed_tokens.weight[list(IDS)] + inner.embed_positions.weight[2 : 2 + len(IDS)]
    for number, layer in enumerate(inner.layers):
        name, own = f"model.decoder.layers.{number}", layer.self_attn
        x = layer.self_attn_layer_norm(h)
        a = own.out_proj(attended(own.q_proj(x), own.k_proj(x), own.v_proj(x), 4, causal=True))
        h = h + through(a, parameters, f"{name}.self_attn.out_proj")
        h = h + through(layer.fc2(F.relu(layer.fc1(layer.final_layer_norm(h)))), parameters, f"{name}.fc2")
    return module.lm_head(inner.final_layer_norm(h))[-1]


def by_hand_gpt2(module, parameters) -> Tensor:
    """The same of GPT-2, whose layers hold their weights transposed."""
    inner = module.transformer
    h = inner.wte.weight[list(IDS)] + inner.wpe.weight[: len(IDS)]
    for number, layer in enumerate(inner.h):
        name = f"transformer.h.{number}"
        a = layer.attn.c_proj(attended(*layer.attn.c_attn(layer.ln_1(h)).chunk(3, -1), 4, causal=True))
        h = h + through(a, parameters, f"{name}.attn.c_proj")
        wide = F.gelu(layer.mlp.c_fc(layer.ln_2(h)), approximate="tanh")
        h = h + through(layer.mlp.c_proj(wide), parameters, f"{name}.mlp.c_proj")
    return module.lm_head(inner.ln_f(h))[-1]


def by_hand_bert(module, parameters) -> Tensor:
    """The first token's state of BERT with adapters: norms behind the residuals, as in the paper's figure 2."""
    h = module.embeddings(torch.tensor([IDS]))[0]
    for number, layer in enumerate(module.encoder.layer):
        name, own = f"encoder.layer.{number}", layer.attention.self
        a = layer.attention.output.dense(attended(own.query(h), own.key(h), own.value(h), 4, causal=False))
        h = layer.attention.output.LayerNorm(h + through(a, parameters, f"{name}.attention.output.dense"))
        f = layer.output.dense(F.gelu(layer.intermediate.dense(h)))
        h = layer.output.LayerNorm(h + through(f, parameters, f"{name}.output.dense"))
    return h[0]


@torch.no_grad()
@pytest.mark.parametrize(("architecture", "by_hand"), [("opt", by_hand_opt), ("gpt2", by_hand_gpt2), ("bert", by_hand_bert)])
def test_adapters_give_what_the_paper_s_formula_gives_by_hand(architecture, by_hand):
    model = tiny(architecture)
    adapted = Adapter(size=8).apply(model, 0)
    moved(adapted.parameters)
    encoder = model.card.family == "encoder"
    ours = adapted.model.summaries([IDS])[0] if encoder else adapted.model.next_token_logits([Tree(IDS)])[0]
    torch.testing.assert_close(ours, by_hand(model.module, adapted.parameters), rtol=0, atol=1e-4)


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, *PADDED_ONLY, *ENCODERS])
def test_adapters_stand_behind_the_last_layer_of_every_sublayer(architecture):
    ends = {"self_attn.out_proj", "self_attn.o_proj", "attn.c_proj", "attention.dense", "self_attention.dense"}
    ends |= {"attention.output.dense", "attention.out_lin"}
    found = ends_of_sublayers(tiny(architecture))
    assert len(found) == 2
    for [attention], [feedforward] in found:
        assert any(attention.endswith(end) for end in ends)
        last = ("fc2", "mlp.down_proj", "mlp.c_proj", "mlp.dense_4h_to_h", "ffn.lin2", "0.output.dense", "1.output.dense")
        assert feedforward.endswith(last)


def test_pfeiffer_s_adapters_stand_behind_feedforward_alone():
    both, one = (Adapter(placement=placement).apply(tiny("opt"), 0).parameters for placement in ("houlsby", "pfeiffer"))
    assert set(one) == {name for name in both if ".fc2." in name}
    assert sum(p.numel() for p in one.values()) == 2 * (2 * 64 * 32 + 64 + 32)


def test_adapters_that_differ_do_not_share_a_pass():
    from inweights.models.training_forward import stackable

    model = tiny("opt")
    models = [update.apply(model, 0).model for update in (Adapter(), Adapter(size=8), Adapter(activation="relu"))]
    assert stackable([models[0], Adapter().apply(model, 1).model])
    assert not stackable(models[:2])
    assert not stackable(models[::2])


def saved(tmp_path, auto, tokenizer, kind: str, **sizes):
    config = AutoConfig.for_model(kind, vocab_size=300, hidden_size=32, num_attention_heads=4, intermediate_size=64, **sizes)
    auto.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return load(str(tmp_path))


def test_blocks_without_one_feedforward_layer_of_their_own_are_refused_by_name(tmp_path):
    sizes = {"num_hidden_layers": 2, "num_key_value_heads": 4, "num_local_experts": 2}
    mixture = saved(tmp_path / "mixtral", AutoModelForCausalLM, metaspace(), "mixtral", **sizes)
    with pytest.raises(
        UserError,
        match="MixtralForCausalLM does not have one attention and one feed-forward layer in every block: take lora",
    ):
        Adapter().apply(mixture, 0)
    shared = saved(tmp_path / "albert", AutoModel, wordpiece(), "albert", num_hidden_layers=3)
    with pytest.raises(UserError, match="AlbertModel has no list of 3 blocks"):
        Adapter().apply(shared, 0)
    with pytest.raises(UserError, match="expected an adapter's bottleneck of size 1 or more, not 0"):
        Adapter(0)


def test_the_card_of_adapters_says_that_no_library_reads_them(tmp_path):
    fitted = head(tiny("bert"), "adapter")
    write(fitted, tmp_path, [Example({"text": "the doctor paid"}, 0)], About())
    text = (tmp_path / "README.md").read_text()
    assert "PEFT has no such adapters, and they merge into no weights: the code above adds them with hooks." in text
    assert "library_name: transformers" in text
    assert not (tmp_path / "adapter_config.json").exists()
