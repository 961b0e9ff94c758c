"""What every method promises, on a causal model and, where it runs there, on an encoder.

Methods are kinds times updates. Every promise is tested of every update with one kind, and of every kind with some
updates (WHOLE); the other combinations are each fitted once.
"""

import dataclasses
import re
from dataclasses import replace
from typing import get_type_hints

import pytest
import torch

from inweights.methods import ALIASES, DEFAULT_METHODS, KINDS, METHODS, Fitted, Method, canonical, described, method
from inweights.methods.in_context import InContext
from inweights.models import families
from inweights.models.base import Backbone
from inweights.models.digest import weights_digest
from inweights.readouts import Ensemble, Head, LabelWords
from inweights.settings import changed, settings
from inweights.study.draw import draw
from inweights.types import Budget, Example, Prompt, Seeds, Shots, Split, Task, UserError
from inweights.updates import UPDATES
from tests.tiny import tiny

PROMPT = Prompt("question: {text} true?", ("yes", "not good"), ("right", "wrong"), " answer:")
TEXTS = (
    "The judge saw the doctor.", "A lazy cook sold lamps.", "It rained that year.", "money", "the old king",
    "nobody paid him", "Did the street get wet?", "seven red lamps", "Hypothesis: short", "a house {near} the cook",
    "great and terrible", "The doctor was lazy.", "the location of the human",
)  # fmt: skip
SHOTS = Shots(
    labelled=tuple(Example({"text": text}, index % 2) for index, text in enumerate(TEXTS[:8])),
    indices=tuple(range(8)),
    unlabelled=tuple(Example({"text": text}) for text in TEXTS[8:]),
    seeds=Seeds(data=1, order=2, init=3, dropout=4),
)
QUERIES = [Example({"text": text + extra}) for text in TEXTS[:4] for extra in ("", " and the judge was paid by the king")]
BUDGET = Budget(steps=4)
FAMILIES = {"causal": "opt", "encoder": "bert"}
WHOLE = {name for name in METHODS if isinstance(METHODS[name], InContext) or name.startswith("pbft")}
WHOLE |= {name for name in METHODS if name.partition("+")[2] in ("", "lora", "prefix", "frozen")}


def runs_on(name: str, family: str) -> bool:
    if not METHODS[name].needs <= families.FAMILIES[family].abilities:
        return False
    return family == "causal" or name.partition("+")[2] not in ("prefix", "prompt")


ALL = [(name, family) for name in METHODS for family in FAMILIES if runs_on(name, family)]
CASES = [(name, family) for name, family in ALL if name in WHOLE or family == "encoder"]
OTHERS = [case for case in ALL if case not in CASES]
LEARNING = [case for case in CASES if not isinstance(METHODS[case[0]], InContext) and not case[0].startswith("distill")]
WORDS = [name for name in METHODS if name in WHOLE and "choices" in METHODS[name].needs]


def quick(method: Method) -> Method:
    """Settings with which a tiny model of random weights moves within a few steps."""
    for path in settings(method):
        if path in ("schedule.lr", "schedule.width", "head_lr"):
            method = changed(method, path, "none" if path.endswith("width") else "0.01")
    return method


def fit(method: Method, model: Backbone, shots: Shots = SHOTS, prompt: Prompt = PROMPT, budget=BUDGET) -> Fitted:
    [fitted] = method.fit(model, prompt, [shots], budget)
    return fitted


@pytest.mark.parametrize(("name", "family"), CASES)
def test_scores_are_finite_one_for_each_example_and_label(name, family):
    fitted = fit(METHODS[name], tiny(FAMILIES[family]))
    scores = fitted.readout(QUERIES)
    assert scores.shape == (len(QUERIES), 2)
    assert scores.dtype == torch.float32
    assert scores.device.type == "cpu"
    assert not scores.requires_grad
    assert bool(torch.isfinite(scores).all())
    assert fitted.readout([]).shape == (0, 2)
    assert isinstance(fitted.readout, LabelWords | Head | Ensemble)


@pytest.mark.parametrize(("name", "family"), CASES)
def test_equal_seeds_give_equal_bits_and_nothing_leaks_out(name, family):
    method, model = quick(METHODS[name]), tiny(FAMILIES[family])
    before, state, modes = weights_digest(model.module), torch.random.get_rng_state(), _modes(model)
    first = fit(method, model)
    torch.rand(7)  # whatever else draws in between does not matter
    again = fit(method, model)
    assert torch.equal(first.readout(QUERIES), again.readout(QUERIES))
    assert first.losses == again.losses
    assert list(first.trained) == list(again.trained)
    assert all(torch.equal(first.trained[key], again.trained[key]) for key in first.trained)
    assert weights_digest(model.module) == before
    assert _modes(model) == modes
    torch.random.set_rng_state(state)
    fit(method, model)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(("name", "family"), CASES)
def test_the_score_of_an_example_does_not_depend_on_its_batch(name, family):
    readout = fit(quick(METHODS[name]), tiny(FAMILIES[family])).readout
    alone = torch.cat([readout([query]) for query in QUERIES])
    torch.testing.assert_close(readout(QUERIES), alone, rtol=0, atol=1e-4)
    torch.testing.assert_close(readout(QUERIES[::-1]).flip(0), alone, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("name", "family"), CASES)
def test_what_counts_as_trained_is_exactly_what_changed(name, family):
    method, model = quick(METHODS[name]), tiny(FAMILIES[family])
    fitted = fit(method, model)
    shared = dict(model.module.named_parameters())
    if isinstance(method, InContext):
        assert not fitted.trained
        assert fitted.optimizer_bytes == 0
        return
    start = fitted.update.apply(model, SHOTS.seeds.init).parameters
    assert all(not torch.equal(p, start[key]) for key, p in fitted.trained.items() if key in start)
    assert all(not torch.equal(p, shared[key]) for key, p in fitted.trained.items() if key in shared)
    head = {key for key in fitted.trained if key.startswith("score.")}
    assert bool(head) == isinstance(fitted.readout, Head)
    assert set(fitted.trained) - head == set(start)
    assert fitted.optimizer_bytes >= 2 * sum(p.numel() * p.element_size() for p in fitted.trained.values())


@pytest.mark.parametrize("name", WORDS)
def test_labels_permuted_give_scores_permuted(name):
    """The same words, demonstrations and questions; only which label is called 0 differs."""
    model = tiny("opt")
    turned = replace(PROMPT, verbalizer=PROMPT.verbalizer[::-1], labels=PROMPT.labels[::-1])
    shots = replace(SHOTS, labelled=tuple(replace(each, label=1 - each.label) for each in SHOTS.labelled))
    one = fit(METHODS[name], model).readout(QUERIES)
    other = fit(METHODS[name], model, shots, turned).readout(QUERIES)
    torch.testing.assert_close(other, one.flip(1), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("name", "family"), LEARNING)
def test_fine_tuning_learns_its_own_shots(name, family):
    """And with labels permuted it learns those, so a head is no more tied to an order of labels than words are."""
    # With random weights the first token of most encoders hardly sees the others.
    model = tiny("opt" if family == "causal" else "distilbert")
    method = changed(changed(quick(METHODS[name]), "schedule.epochs", "120"), "schedule.batch_size", "4")
    rates = {"bitfit": "0.03", "ia3": "0.1", "prefix": "0.1", "prompt": "0.1"}
    method = changed(method, "schedule.lr", rates.get(name.partition("+")[2], "0.003"))
    method = changed(method, "head_lr", "0.3") if "frozen" in name else method
    # Random weights hardly hear a few tokens in front.
    method = changed(method, "update.tokens", "50") if "prompt" in name else method
    for module in model.module.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for labels in ((0, 1), (1, 0)):
        shots = replace(SHOTS, labelled=tuple(replace(each, label=labels[each.label]) for each in SHOTS.labelled[:4]))
        fitted = fit(method, model, shots, budget=Budget())
        assert fitted.readout(shots.labelled).argmax(-1).tolist() == [each.label for each in shots.labelled]
        assert fitted.losses[-1] < fitted.losses[0] / 2


@pytest.mark.parametrize("name", METHODS)
def test_settings_read_back_from_text_give_the_same_method(name):
    method = METHODS[name]
    for path, value in settings(method).items():
        if not dataclasses.is_dataclass(_at(method, path)):
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            assert changed(method, path, text) == method


@pytest.mark.parametrize(("name", "family"), OTHERS)
def test_a_kind_with_an_update_of_its_choice_trains_exactly_that(name, family):
    method, model = quick(METHODS[name]), tiny(FAMILIES[family])
    before = weights_digest(model.module)
    fitted, again = fit(method, model), fit(method, model)
    assert weights_digest(model.module) == before
    assert torch.equal(fitted.readout(QUERIES), again.readout(QUERIES))
    assert bool(torch.isfinite(fitted.readout(QUERIES)).all())
    start = fitted.update.apply(model, SHOTS.seeds.init).parameters
    assert {key for key in fitted.trained if not key.startswith("score.")} == set(start)
    assert all(not torch.equal(p, start[key]) for key, p in fitted.trained.items() if key in start)
    assert len(fitted.losses) == BUDGET.steps


def test_methods_are_kinds_times_updates_where_there_is_something_to_train():
    trained = {name for name, method in METHODS.items() if not isinstance(method, InContext)}
    product = {kind if update == "full" else f"{kind}+{update}" for kind in KINDS for update in UPDATES}
    assert trained == product - {"pbft+frozen", "distill+frozen"}
    assert all(METHODS[name].update == UPDATES[name.partition("+")[2] or "full"] for name in trained)
    assert set(DEFAULT_METHODS) <= set(METHODS)
    assert len(set(DEFAULT_METHODS)) == len(DEFAULT_METHODS)


def test_a_kind_takes_an_update_on_the_update_s_schedule_and_distillation_on_half_the_epochs():
    for name, update in UPDATES.items():
        assert KINDS["vanilla"].of(update).schedule == update.schedule
        if name != "frozen":
            assert KINDS["pbft"].of(update).schedule == update.schedule
            distilled = KINDS["distill"].of(update).schedule
            assert distilled.epochs == update.schedule.epochs // 2
            assert distilled.batch_size == 2 * update.schedule.batch_size
            assert (distilled.lr, distilled.stop_loss) == (update.schedule.lr, 0.0)


@pytest.mark.parametrize("name", ["pbft+lora", "vanilla+lora"])
def test_training_ends_after_the_epoch_in_which_the_shots_are_learned(name):
    """And with stop_loss 0 it goes on to the last epoch."""
    own = changed(changed(METHODS[name], "schedule.lr", "0.03"), "schedule.epochs", "200")
    own = changed(own, "head_lr", "0.3") if name == "vanilla+lora" else own
    shots = replace(SHOTS, labelled=SHOTS.labelled[:4])
    fitted = fit(own, tiny("opt"), shots, budget=Budget())
    assert len(fitted.losses) < 200  # four shots are one batch: an epoch is a step
    assert fitted.losses[-1] < own.schedule.stop_loss <= min(fitted.losses[:-1])
    assert len(fit(changed(own, "schedule.stop_loss", "0"), tiny("opt"), shots, budget=Budget()).losses) == 200


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_described_in_one_line_that_cites_its_papers(name):
    line = described(METHODS[name])
    assert "\n" not in line
    assert len(re.findall(r"arXiv \d{4}\.\d{5}", line)) == (
        2 if not isinstance(METHODS[name], InContext) or METHODS[name].calibration != "none" else 1
    )


def test_other_names_of_a_method_are_the_method():
    assert method("adaptive") == METHODS["pbft+last-blocks"]
    assert canonical("adaptive+head") == "vanilla+last-blocks"
    assert canonical("distill+full") == "distill"
    assert set(ALIASES.values()) <= set(METHODS)


def test_an_update_is_chosen_by_the_name_of_the_method_and_the_message_says_so():
    with pytest.raises(UserError, match=r"update=lora: an update is chosen by the method's name: take pbft\+lora$"):
        method("pbft", {"update": "lora"})
    with pytest.raises(UserError, match=r"update=xyz: .*: take vanilla, vanilla\+last-blocks, vanilla\+bitfit, "):
        method("vanilla+lora", {"update": "xyz"})


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_a_frozen_value_whose_fit_gets_no_task(name):
    method = METHODS[name]
    assert isinstance(method, Method)
    assert hash(method) == hash(replace(method))
    hints = get_type_hints(type(method).fit)
    assert list(hints) == ["model", "prompt", "shots", "budget", "return"]
    assert Task not in hints.values()
    assert type(method).__doc__


@pytest.mark.parametrize(("name", "family"), CASES)
def test_evaluation_sets_are_out_of_reach(name, family):
    def forbidden():
        raise AssertionError("an evaluation set was read")

    train = Split(lambda: [*SHOTS.labelled, *(replace(each, label=i % 2) for i, each in enumerate(QUERIES))], "train")
    evaluation = {"dev": Split(forbidden, "in-domain"), "ood": Split(forbidden, "out-of-domain")}
    task = Task("guarded", (PROMPT,), {"train": train, **evaluation})
    shots = draw(task, 4, seed=0)
    assert len(fit(METHODS[name], tiny(FAMILIES[family]), shots).readout(QUERIES)) == len(QUERIES)


@pytest.mark.parametrize(("name", "family"), CASES)
def test_several_draws_give_what_each_gives_alone(name, family):
    method, model = quick(METHODS[name]), tiny(FAMILIES[family])
    other = replace(SHOTS, labelled=SHOTS.labelled[:4], seeds=Seeds(5, 6, 7, 8))
    together = method.fit(model, PROMPT, [SHOTS, other], BUDGET)
    for fitted, shots in zip(together, (SHOTS, other), strict=True):
        torch.testing.assert_close(fitted.readout(QUERIES), fit(method, model, shots).readout(QUERIES), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("name", "family"), CASES)
def test_notes_are_json(name, family):
    import json

    fitted = fit(METHODS[name], tiny(FAMILIES[family]))
    for notes in (fitted.notes, fitted.diagnostics()):
        assert json.loads(json.dumps(dict(notes), allow_nan=False)) == notes
    assert len(fitted.losses) == (0 if isinstance(METHODS[name], InContext) else BUDGET.steps)


def _modes(model: Backbone) -> list[bool]:
    return [module.training for module in model.module.modules()]


def _at(value: object, path: str) -> object:
    for name in path.split("."):
        value = getattr(value, name)
    return value
