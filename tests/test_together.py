"""Fast paths of training: several runs in one pass, and frozen blocks run once, come out as the slow ones do."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel

from inweights.engine import ragged
from inweights.engine.trees import Tree
from inweights.methods.pattern import PatternFineTune
from inweights.methods.vanilla import HeadFineTune
from inweights.models import load
from inweights.models.base import Backbone
from inweights.models.digest import weights_digest
from inweights.models.training_forward import TrainingForward, stackable
from inweights.training import Schedule
from inweights.types import Budget, Example, Prompt, Seeds, Shots
from inweights.updates import (
    IA3,
    Adapter,
    BitFit,
    Frozen,
    Full,
    LastBlocks,
    LoRA,
    PrefixTuning,
    PromptTuning,
    first_changed_block,
)
from tests.test_methods_contract import PROMPT, QUERIES, TEXTS
from tests.test_updates import WITH_BIAS
from tests.tiny import ARCHITECTURES, ENCODERS, tiny, wordpiece

SCHEDULE = Schedule(lr=1e-3, epochs=10, batch_size=4)
SEVERAL_TOKENS = replace(PROMPT, verbalizer=("yes", "good"))
UPPER = LoRA(targets=r"\.1\..*(q_proj|v_proj|query|value|q_lin|c_attn|qkv|fc|dense)")


def draws(count: int = 3) -> list[Shots]:
    """Unlike in size, examples and every seed."""
    found = []
    for number in range(count):
        chosen = TEXTS[number : number + 6 + 2 * number]
        examples = tuple(Example({"text": text}, index % 2) for index, text in enumerate(chosen))
        found.append(Shots(examples, tuple(range(len(examples))), (), Seeds(number, 10 + number, 20 + number, 30 + number)))
    return found


def dropping(model: Backbone, share: float = 0.1) -> Backbone:
    """Dropout everywhere that the architecture has it, attention included."""
    for module in model.module.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        for name, value in vars(module).items():
            if "dropout" in name and isinstance(value, float):
                setattr(module, name, share)
    for name, value in vars(model.module.config).items():
        if "drop" in name and isinstance(value, float) and "layerdrop" not in name:
            setattr(model.module.config, name, share)
    return model


CAUSAL = [("pbft", "lora", name) for name in ARCHITECTURES]
CAUSAL += [("pbft", "bitfit", name) for name in ARCHITECTURES if name in WITH_BIAS]
SEVERAL = ("opt", "llama", "gpt2", "gemma2", "mistral")
CAUSAL += [("pbft", update, name) for name in SEVERAL for update in ("ia3", "prefix", "prompt")]
CAUSAL += [("pbft", "adapter", name) for name in ARCHITECTURES]
HEADS = [("vanilla", update, name) for name in (*ENCODERS, "llama", "gpt2") for update in ("lora", "frozen", "adapter")]
HEADS += [("vanilla", "bitfit", name) for name in (*ENCODERS, "opt")]
UPDATES = {"lora": LoRA(), "bitfit": BitFit(), "frozen": Frozen(), "ia3": IA3()}
UPDATES |= {"prefix": PrefixTuning(4), "prompt": PromptTuning(4), "adapter": Adapter(size=8)}


@pytest.mark.parametrize(("kind", "update", "architecture"), [*CAUSAL, *HEADS])
def test_runs_stacked_in_one_pass_equal_separate_runs_over_twenty_steps(kind, update, architecture):
    """With dropout on, draws of unlike sizes, label words of several tokens."""
    model = dropping(tiny(architecture))
    of_kind = {"pbft": PatternFineTune, "vanilla": HeadFineTune}[kind]
    method = of_kind(UPDATES[update], SCHEDULE)
    together = method.fit(model, SEVERAL_TOKENS, draws(), Budget())
    alone = method.fit(model, SEVERAL_TOKENS, draws(), Budget(isolated=True))
    # What is learnt in front trains alone where attention drops: what is dropped over it has one stream for all lanes.
    drops = update in ("prefix", "prompt")
    for one, other in zip(together, alone, strict=True):
        assert one.notes.get("stacked", 1) == (1 if drops else 3)
        assert "stacked" not in other.notes
        assert len(one.losses) >= 20
        assert one.losses == pytest.approx(other.losses, abs=1e-4)
        torch.testing.assert_close(one.readout(QUERIES), other.readout(QUERIES), rtol=0, atol=1e-4)


def test_more_runs_than_a_pass_has_room_for_take_turns():
    model, method = tiny("llama"), PatternFineTune(LoRA(), SCHEDULE)
    runs = [method.prepared(model, PROMPT, draw, Budget()) for draw in draws(3)]
    each = [4 * max(run.lengths) for run in runs]
    fitted = method.fit(model, PROMPT, draws(3), Budget(batch_tokens=sum(each[:2]), steps=2))
    assert [each.notes.get("stacked", 1) for each in fitted] == [2, 2, 1]


def test_updates_that_write_weights_or_differ_in_rank_do_not_share_a_pass():
    model = tiny("opt")
    lora, other, full = (update.apply(model, 0).model for update in (LoRA(), LoRA(rank=4), Full()))
    assert stackable([lora, LoRA().apply(model, 1).model])
    assert not stackable([lora, other])
    assert not stackable([full, Full().apply(model, 1).model])
    assert not stackable([lora, BitFit().apply(model, 1).model])
    assert not stackable([lora, LoRA().apply(tiny("opt"), 1).model])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("update", [LastBlocks(blocks=1), UPPER], ids=["last-blocks", "upper-lora"])
def test_frozen_blocks_kept_equal_frozen_blocks_run_again(architecture, update):
    """And, without dropout, equal training that runs every block each time."""
    model = dropping(tiny(architecture), 0.0)
    method = PatternFineTune(update, SCHEDULE)
    assert first_changed_block(model, update.apply(model, 0).parameters) == 1
    before = model.counter.tokens
    [kept] = method.fit(model, SEVERAL_TOKENS, draws(1), Budget())
    spent = model.counter.tokens - before
    [again] = method.fit(model, SEVERAL_TOKENS, draws(1), Budget(kept_bytes=0))
    assert model.counter.tokens - before - spent > spent
    [whole] = _whole(method).fit(model, SEVERAL_TOKENS, draws(1), Budget())
    for other in (again, whole):
        assert kept.losses == pytest.approx(other.losses, abs=1e-4)
        torch.testing.assert_close(kept.readout(QUERIES), other.readout(QUERIES), rtol=0, atol=1e-4)


@pytest.mark.parametrize("architecture", [*ENCODERS, "opt"])
def test_a_head_on_a_frozen_backbone_reads_it_once(architecture):
    model = dropping(tiny(architecture))
    method = HeadFineTune(Frozen(), SCHEDULE)
    [kept] = method.fit(model, PROMPT, draws(1), Budget())
    [again] = method.fit(model, PROMPT, draws(1), Budget(kept_bytes=0))
    assert kept.losses == pytest.approx(again.losses, abs=1e-5)
    assert set(kept.trained) <= {"score.weight", "score.bias"}


@pytest.mark.parametrize("architecture", ["llama", "opt"])
def test_dropout_acts_only_in_what_an_update_reaches(architecture):
    """Blocks below the first one that changes are run as at inference, whether what they give is kept or not."""
    model = dropping(tiny(architecture), 0.5)
    method = PatternFineTune(LastBlocks(blocks=1), SCHEDULE)
    [kept] = method.fit(model, PROMPT, draws(1), Budget())
    [again] = method.fit(model, PROMPT, draws(1), Budget(kept_bytes=0))
    assert kept.losses == pytest.approx(again.losses, abs=1e-4)


@pytest.mark.parametrize(
    ("update", "architecture", "first"),
    [
        (Full(), "llama", 0),
        (LoRA(), "llama", 0),
        (LastBlocks(blocks=1), "gpt2", 1),
        (LoRA(targets="layers.1.mlp"), "llama", 1),
        (Adapter(), "llama", 0),
        (PromptTuning(), "llama", 0),
        (LoRA(targets="project_in"), "opt-350m", 0),
        (LoRA(targets="project_out"), "opt-350m", 2),
        (BitFit(), "opt", 0),
        (Frozen(), "bert", 2),
    ],
)
def test_the_first_block_that_changes_is_found(update, architecture, first):
    model = tiny(architecture)
    assert first_changed_block(model, update.apply(model, 0).parameters) == first


class _whole:  # noqa: N801  a method that knows nothing of frozen blocks
    def __init__(self, method: PatternFineTune) -> None:
        self.method = method

    def fit(self, model: Backbone, prompt: Prompt, shots: list[Shots], budget: Budget):
        from inweights.methods.prepared import fit_together

        runs = [replace(self.method.prepared(model, prompt, draw, budget), first_block=0) for draw in shots]
        return fit_together(runs, model.module, budget)


def saved_bytes(work) -> int:
    """What autograd keeps for the backward pass, each tensor's memory once."""
    seen: dict[int, int] = {}

    def pack(tensor):
        seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        work()
    return sum(seen.values())


@pytest.mark.parametrize(
    ("kind", "update", "architecture"),
    [("pbft", update, name) for update in ("lora", "bitfit", "adapter", "prompt") for name in ("opt", "gpt2")]
    + [("vanilla", update, "bert") for update in ("lora", "bitfit", "adapter")],
)
def test_blocks_run_again_in_the_backward_pass_give_the_same_training(kind, architecture, update):
    """With dropout, which is drawn again as it was, alone and stacked."""
    model = dropping(tiny(architecture))
    of_kind = {"pbft": PatternFineTune, "vanilla": HeadFineTune}[kind]
    method = of_kind(UPDATES[update], SCHEDULE)
    for isolated in (True, False):
        kept = method.fit(model, PROMPT, draws(2), Budget(steps=6, isolated=isolated))
        again = method.fit(model, PROMPT, draws(2), Budget(steps=6, isolated=isolated, checkpointing=True))
        for one, other in zip(kept, again, strict=True):
            assert one.losses == pytest.approx(other.losses, abs=1e-5)
            torch.testing.assert_close(one.readout(QUERIES), other.readout(QUERIES), rtol=0, atol=1e-4)


def test_blocks_run_again_in_the_backward_pass_keep_less():
    model = tiny("llama")
    adapted = LoRA().apply(model, 0).model
    trees = {0: [Tree(tuple(range(3, 60)))] * 8}
    plain, less = TrainingForward([adapted]), TrainingForward([adapted], checkpointing=True)
    assert saved_bytes(lambda: less.logits(trees)) < 0.7 * saved_bytes(lambda: plain.logits(trees))


@pytest.mark.parametrize("update", [LoRA(), Full(), BitFit()], ids=["lora", "full", "bitfit"])
@pytest.mark.parametrize("isolated", [True, False], ids=["alone", "stacked"])
def test_training_in_bf16_comes_near_training_in_fp32(update, isolated):
    """Of weights that change, too: what autocast has cast once must not be used again."""
    model, method = tiny("opt"), PatternFineTune(update, SCHEDULE)
    whole = method.fit(model, PROMPT, draws(2), Budget(steps=8, isolated=isolated))
    half = method.fit(model, PROMPT, draws(2), Budget(steps=8, isolated=isolated, autocast="bf16"))
    for one, other in zip(whole, half, strict=True):
        assert one.losses != other.losses
        assert one.losses == pytest.approx(other.losses, rel=0.05)
        assert {p.dtype for p in other.trained.values()} == {torch.float32}


def test_training_in_fp16_scales_its_losses_and_skips_steps_that_overflow():
    model, method = tiny("llama"), PatternFineTune(LoRA(), SCHEDULE)
    [whole] = method.fit(model, PROMPT, draws(1), Budget(steps=8))
    [half] = method.fit(model, PROMPT, draws(1), Budget(steps=8, autocast="fp16"))
    assert half.losses[0] == pytest.approx(whole.losses[0], rel=0.01)
    assert half.losses[-1] == pytest.approx(whole.losses[-1], rel=0.2)
    assert all(bool(torch.isfinite(p).all()) for p in half.trained.values())


def test_adafactor_moves_what_is_zero_at_the_start():
    """LoRA's B: torch's Adafactor multiplies the rate by a parameter's size."""
    sizes = {}
    for optimizer in ("adamw", "adafactor"):
        method = PatternFineTune(LoRA(), replace(SCHEDULE, optimizer=optimizer))
        [fitted] = method.fit(tiny("opt"), PROMPT, draws(1), Budget())
        sizes[optimizer] = sum(float(p.norm()) for name, p in fitted.trained.items() if "lora_B" in name)
    assert sizes["adafactor"] > sizes["adamw"] / 3


def test_memory_that_runs_out_while_weights_are_put_in_leaves_the_shared_ones_there(monkeypatch):
    model = tiny("opt")
    before = weights_digest(model.module)
    adapted = Full().apply(model, 0)
    name = list(adapted.parameters)[3]

    class Full3(nn.Parameter):
        def to(self, *_):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with torch.no_grad():
        for parameter in adapted.parameters.values():
            parameter += 1.0
    adapted.parameters[name].__class__ = Full3
    with pytest.raises(torch.OutOfMemoryError):
        adapted.model.next_token_logits([Tree((5, 6))])
    assert weights_digest(model.module) == before


def test_biases_of_an_lm_head_train_run_by_run():
    """It is run at the positions read alone, where a lane's tokens cannot be told."""
    model = tiny("opt")
    head = model.module.get_output_embeddings()
    head.bias = nn.Parameter(torch.zeros(head.weight.shape[0]), requires_grad=False)
    fitted = PatternFineTune(BitFit(), SCHEDULE).fit(model, PROMPT, draws(2), Budget(steps=2))
    assert all("lm_head.bias" in each.trained and "stacked" not in each.notes for each in fitted)


def test_blocks_that_share_their_weights_are_all_trained(tmp_path):
    config = AutoConfig.for_model(
        "albert", vocab_size=300, hidden_size=32, embedding_size=16, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=64,
    )  # fmt: skip
    AutoModel.from_config(config).save_pretrained(tmp_path)
    wordpiece().save_pretrained(tmp_path)
    model = load(str(tmp_path))
    for update in (Full(), LoRA()):
        assert first_changed_block(model, update.apply(model, 0).parameters) == 0
        [fitted] = HeadFineTune(update, SCHEDULE).fit(model, PROMPT, draws(1), Budget(steps=2))
        assert bool(torch.isfinite(fitted.readout(QUERIES)).all())


@pytest.mark.parametrize("architecture", ["opt", "gemma2", "mistral"])
def test_runs_stacked_equal_separate_runs_where_attention_is_in_blocks(architecture, monkeypatch):
    monkeypatch.setitem(ragged.ANOTHER_BLOCK, "cpu", 1)
    model, method = dropping(tiny(architecture)), PatternFineTune(LoRA(), SCHEDULE)
    together = method.fit(model, SEVERAL_TOKENS, draws(), Budget())
    alone = method.fit(model, SEVERAL_TOKENS, draws(), Budget(isolated=True))
    for one, other in zip(together, alone, strict=True):
        assert one.notes["stacked"] == 3
        assert one.losses == pytest.approx(other.losses, abs=1e-4)
