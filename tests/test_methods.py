"""What single methods claim, beyond what the contract suite asks of all."""

import math
from dataclasses import replace

import pytest
import torch

from inweights.methods import METHODS, Fitted, Method, method
from inweights.methods.in_context import CONTENT_FREE
from inweights.methods.pattern import PatternFineTune
from inweights.models.base import Backbone
from inweights.readouts import LabelWords
from inweights.training import Schedule
from inweights.types import Budget, DivergedError, Example, Prompt, UserError
from tests.test_methods_contract import PROMPT, QUERIES, SHOTS
from tests.tiny import tiny

FEW_STEPS = Budget(steps=4)


def fit(wanted: Method, model: Backbone, shots=SHOTS, prompt: Prompt = PROMPT, budget=FEW_STEPS) -> Fitted:
    [fitted] = wanted.fit(model, prompt, [shots], budget)
    return fitted


def narrow(model: Backbone, tokens: int) -> Backbone:
    return replace(model, card=replace(model.card, max_tokens=tokens))


# In-context learning


def test_zero_shot_shows_nothing():
    model = tiny("llama")
    fitted = fit(METHODS["zero-shot"], model)
    assert fitted.readout == LabelWords(model, PROMPT)
    assert fitted.notes == {"demonstrations": 0, "demonstrations_left_out": 0}


def test_icl_shows_all_shots_in_an_order_that_follows_its_own_seed():
    model = tiny("llama")
    one = fit(METHODS["icl"], model).readout
    other = fit(METHODS["icl"], model, replace(SHOTS, seeds=replace(SHOTS.seeds, order=9))).readout
    assert set(map(repr, one.demonstrations)) == set(map(repr, SHOTS.labelled))
    assert one.demonstrations != other.demonstrations
    assert fit(method("icl", {"demonstrations": "2"}), model).notes["demonstrations"] == 2


def test_demonstrations_that_do_not_fit_are_left_out_whole_and_balanced_and_noted():
    model = tiny("llama")
    whole = len(model.encode([PROMPT.context(SHOTS.labelled)])[0])
    fitted = fit(METHODS["icl"], narrow(model, whole))
    shown = fitted.readout.demonstrations
    assert 0 < len(shown) < 8
    assert sum(example.label for example in shown) == len(shown) / 2
    assert fitted.notes == {"demonstrations": len(shown), "demonstrations_left_out": 8 - len(shown)}


def test_in_context_learning_without_room_for_a_demonstration_is_not_zero_shot_by_another_name():
    model = tiny("llama")
    longest = max(len(ids) for ids in model.encode([PROMPT.body(each) for each in (*SHOTS.labelled, *SHOTS.unlabelled)]))
    with pytest.raises(UserError, match=r"none of 8 demonstrations fits the context window of .* take zero-shot"):
        fit(METHODS["icl"], narrow(model, longest + 12))
    assert fit(METHODS["zero-shot"], narrow(model, longest + 12)).notes["demonstrations"] == 0


@torch.no_grad()
def test_batch_calibration_is_estimated_on_the_pool_and_then_fixed():
    model = tiny("llama")
    readout = fit(METHODS["icl+batch"], model).readout
    plain = replace(readout, offsets=())
    expected = plain(SHOTS.unlabelled).log_softmax(-1).mean(0)
    torch.testing.assert_close(torch.tensor(readout.offsets), expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(readout(QUERIES), plain(QUERIES) - expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_contextual_calibration_makes_content_free_queries_even():
    model = tiny("llama")
    readout = fit(METHODS["icl+contextual"], model).readout
    empty = [Example({"text": text}) for text in CONTENT_FREE]
    mean = replace(readout, offsets=())(empty).softmax(-1).mean(0).log()
    torch.testing.assert_close(torch.tensor(readout.offsets), mean, rtol=0, atol=1e-4)


def test_members_of_an_ensemble_show_different_balanced_halves():
    members = fit(METHODS["icl+ensemble"], tiny("llama")).readout.members
    assert len(members) == 4
    assert len({member.demonstrations for member in map(_hashable, members)}) > 1
    for member in members:
        assert sorted(example.label for example in member.demonstrations) == [0, 0, 1, 1]


def _hashable(member: LabelWords) -> LabelWords:
    return replace(member, demonstrations=tuple(example.fields["text"] for example in member.demonstrations))


# Fine-tuning


def test_losses_of_t_few_are_those_of_the_paper_on_numbers_worked_out_by_hand():
    # One example, label 0: a word of two tokens (p = .5, .8) against one of a single token (p = .25).
    tokens = torch.tensor([[[0.5, 0.8], [0.25, 1.0]]]).log()
    gold = torch.tensor([0])
    among = -math.log(0.4 / (0.4 + 0.25))
    assert PatternFineTune().of_scores(tokens, gold).tolist() == pytest.approx([among])
    assert PatternFineTune(loss="vocabulary").of_scores(tokens, gold).tolist() == pytest.approx([-math.log(0.4)])
    unlikely = PatternFineTune(unlikelihood=1.0).of_scores(tokens, gold).item() - among
    assert unlikely == pytest.approx(-math.log(1 - 0.25))
    normalised = PatternFineTune(length_normalised=1.0).of_scores(tokens, gold).item() - among
    assert normalised == pytest.approx(-math.log(0.4**0.5 / (0.4**0.5 + 0.25)))


def test_full_vocabulary_loss_makes_the_label_the_likeliest_of_all_tokens():
    schedule = Schedule(lr=0.01, epochs=60, batch_size=8)
    model = tiny("opt")
    assert (
        fit(PatternFineTune(schedule=replace(schedule, epochs=1)), model).diagnostics()["vocabulary_accuracy_on_shots"] < 0.5
    )
    learned = fit(PatternFineTune(schedule=schedule, loss="vocabulary"), model, budget=Budget())
    assert learned.diagnostics()["vocabulary_accuracy_on_shots"] == 1.0


@pytest.mark.parametrize("name", ["vanilla+lora", "pbft", "pbft+last-blocks", "vanilla"])
def test_snapshots_are_the_method_at_earlier_steps(name):
    model = tiny("opt")
    wanted = method(name, {"snapshots": "2", "schedule.decay": "constant", "schedule.warmup": "0"})
    fitted = fit(wanted, model, budget=Budget(steps=4))
    assert list(fitted.snapshots) == ["step 2", "step 4"]
    early = fit(wanted, model, budget=Budget(steps=2))
    assert torch.equal(fitted.snapshots["step 2"].readout(QUERIES), early.readout(QUERIES))
    assert torch.equal(fitted.snapshots["step 4"].readout(QUERIES), fitted.readout(QUERIES))
    assert set(fitted.snapshots["step 2"].trained) == set(fitted.trained)


@pytest.mark.parametrize("name", ["vanilla", "pbft+lora", "distill+lora"])
def test_a_small_token_budget_cuts_batches_and_learns_the_same(name):
    model = tiny("opt")
    whole = fit(METHODS[name], model, budget=Budget(steps=3))
    pieces = fit(METHODS[name], model, budget=Budget(steps=3, batch_tokens=40))
    if name.startswith("distill"):  # which context an input meets is drawn as it comes
        assert len(pieces.losses) == 3
    else:
        assert pieces.losses == pytest.approx(whole.losses, abs=1e-4)


def test_gradual_unfreezing_leaves_the_lower_block_alone_until_its_share_of_the_steps():
    model = tiny("opt")
    wanted = method("adaptive", {"update.unfreeze": "gradually", "schedule.epochs": "4", "schedule.batch_size": "8"})
    names = set(fit(wanted, model, budget=Budget(steps=1)).trained)
    assert any("layers.1." in name for name in names)
    assert not any("layers.0." in name for name in names) or len(names) > 20  # a single step is the whole schedule
    half = fit(replace(wanted, snapshots=2), model, budget=Budget(steps=4))
    start = dict(model.module.named_parameters())["model.decoder.layers.0.fc1.weight"]
    assert torch.equal(half.snapshots["step 2"].trained["model.decoder.layers.0.fc1.weight"], start)
    assert not torch.equal(half.trained["model.decoder.layers.0.fc1.weight"], start)


def test_an_lm_head_that_nothing_reads_does_not_count_as_trained():
    model = tiny("llama")
    assert "lm_head.weight" in dict(model.module.named_parameters())
    assert "lm_head.weight" not in fit(METHODS["vanilla"], model).trained
    assert "lm_head.weight" in fit(METHODS["pbft"], model).trained


def test_a_head_has_a_bias_on_an_encoder_and_none_on_a_causal_model():
    for architecture, bias in (("opt", False), ("bert", True)):
        assert ("score.bias" in fit(METHODS["vanilla"], tiny(architecture)).trained) == bias


def test_heads_start_apart_for_different_init_seeds_and_alike_for_different_data_seeds():
    model = tiny("opt")

    def start(**seeds: int) -> torch.Tensor:
        shots = replace(SHOTS, seeds=replace(SHOTS.seeds, **seeds))
        return fit(method("vanilla", {"schedule.lr": "1e-30", "head_lr": "1e-30"}), model, shots).trained["score.weight"]

    assert not torch.equal(start(), start(init=99))
    assert torch.equal(start(), start(data=99))


def test_shots_longer_than_the_window_are_shortened_and_learnt_from():
    long = tuple(replace(example, fields={"text": "the judge saw " * 300}) for example in SHOTS.labelled)
    for name, architecture in (("pbft+lora", "llama"), ("vanilla+lora", "bert")):
        assert len(fit(METHODS[name], narrow(tiny(architecture), 64), replace(SHOTS, labelled=long)).losses) == 4


@pytest.mark.parametrize("name", ["vanilla", "pbft", "pbft+last-blocks", "distill"])
def test_nothing_to_learn_from_is_an_error(name):
    with pytest.raises(UserError, match="needs labelled examples and there are none: give shots, or take zero-shot"):
        fit(METHODS[name], tiny("opt"), replace(SHOTS, labelled=()))


@pytest.mark.parametrize("name", ["vanilla", "pbft+lora", "distill+lora"])
def test_a_learning_rate_out_of_this_world_is_divergence(name):
    with pytest.raises(DivergedError, match="lower the learning rate"):
        fit(method(name, {"schedule.lr": "1e30", "schedule.warmup": "0"}), tiny("opt"), budget=Budget(steps=20))


def test_a_word_method_on_an_encoder_says_what_to_take():
    with pytest.raises(UserError, match=r"is an encoder .* take a `vanilla` method, or a causal language model"):
        fit(METHODS["pbft"], tiny("bert"))
