"""Context distillation: the student comes to answer as its teacher does, which is the same weights with a context."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from inweights.methods import METHODS, generation, method
from inweights.methods.context_distillation import ContextDistillation
from inweights.methods.distillation_loss import DistillationLoss
from inweights.methods.generation import generated_inputs, read_back
from inweights.methods.teacher_gap import teacher_gap
from inweights.models import load
from inweights.models.decoding import end_ids
from inweights.readouts import LabelWords
from inweights.scoring import label_scores, teacher_targets
from inweights.training import Schedule
from inweights.types import Budget, Example, Prompt, UserError
from inweights.updates import LoRA
from tests.test_methods_contract import PROMPT, QUERIES, SHOTS
from tests.tiny import tiny

STORIES = Path(__file__).parents[2] / "shared" / "models" / "stories260K"
KINDS = ("labels", "top_k", "vocabulary")


def student_loss(model, told, pool, learned=(), gold_weight=0.0, seed=0):
    """The loss of some rows as a training loop gets it, and all rows."""
    student = DistillationLoss(model, PROMPT, told, pool, learned, gold_weight, random.Random(seed))
    words = None if student.vocabulary is None else torch.tensor(student.vocabulary)

    def loss(rows):
        return student.loss(rows, model.next_token_logits(student.trees(rows), None, words))

    return loss, student.rows


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_student_that_already_answers_as_its_teacher_has_no_loss(kind):
    model, pool = tiny("llama"), SHOTS.unlabelled
    told = teacher_targets(model, PROMPT, ["", ""], pool, kind, 5)
    loss, rows = student_loss(model, told, pool)
    assert loss(rows).abs().max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_student_is_pulled_towards_the_context_it_drew(kind):
    model, pool = tiny("llama"), SHOTS.unlabelled
    contexts = [PROMPT.context(SHOTS.labelled[:2]), PROMPT.context(SHOTS.labelled[2:6])]
    alone = [student_loss(model, teacher_targets(model, PROMPT, [each], pool, kind, 5), pool) for each in contexts]
    each = torch.stack([loss(rows) for loss, rows in alone])
    told = teacher_targets(model, PROMPT, contexts, pool, kind, 5)
    loss, rows = student_loss(model, told, pool, seed=3)
    rng = random.Random(3)
    expected = torch.stack([each[rng.randrange(2), row] for row in rows])
    torch.testing.assert_close(loss(rows), expected, rtol=1e-4, atol=1e-5)
    assert each.min() > 0


@torch.no_grad()
def test_the_loss_with_gold_labels_is_mean_divergence_plus_weight_times_mean_cross_entropy():
    model, pool, learned = tiny("llama"), SHOTS.unlabelled, SHOTS.labelled
    told = teacher_targets(model, PROMPT, [PROMPT.context(SHOTS.labelled[:2])], pool)
    plain, rows = student_loss(model, told, pool)
    both, all_rows = student_loss(model, told, pool, learned, 0.3)
    gold = torch.tensor([example.label for example in learned])
    expected = plain(rows).mean() + 0.3 * F.cross_entropy(label_scores(model, PROMPT, learned), gold)
    torch.testing.assert_close(both(all_rows).mean(), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_the_student_learns_the_teachers_answers(kind):
    """On the inputs it was shown; without demonstrations; from one context, so that it can."""
    model = tiny("llama")
    wanted = ContextDistillation(LoRA(), Schedule(lr=0.01, epochs=40, batch_size=8), targets=kind, contexts=1)
    [fitted] = wanted.fit(model, PROMPT, [SHOTS], Budget())
    assert fitted.losses[-1] < fitted.losses[0] / 5
    assert fitted.readout.demonstrations == ()
    if kind == "labels":
        shown = tuple(random.Random(SHOTS.seeds.order).sample(SHOTS.labelled, 8))
        teacher, bare, student = (
            readout(SHOTS.unlabelled).diff()[:, 0]
            for readout in (LabelWords(model, PROMPT, shown), LabelWords(model, PROMPT), fitted.readout)
        )
        assert (student - teacher).abs().mean() < (bare - teacher).abs().mean() / 3


def test_gold_labels_reach_the_student_through_the_teacher_alone():
    """The shuffled control differs; other labels with the same teacher would not."""
    model = tiny("llama")
    gold = METHODS["distill+lora"].fit(model, PROMPT, [SHOTS], Budget(steps=3))[0]
    control = method("distill+lora", {"teacher_labels": "shuffled"})
    shuffled = control.fit(model, PROMPT, [SHOTS], Budget(steps=3))[0]
    assert not torch.equal(gold.readout(QUERIES), shuffled.readout(QUERIES))
    assert gold.notes["pool_from"] == "unlabelled"
    assert gold.notes["pool"] == len(SHOTS.unlabelled)


def test_where_teacher_and_bare_model_agree_there_is_nothing_to_distil():
    notes = METHODS["distill+lora"].fit(tiny("opt"), PROMPT, [SHOTS], Budget(steps=1))[0].diagnostics()
    assert notes["teacher_accuracy_on_shots"] - notes["zero_shot_accuracy_on_shots"] == notes["distillation_gap"]
    assert notes["distillation_verdict"].startswith("nothing to distil beyond noise (gap ")
    assert notes["teacher_commonest_on_pool"] in PROMPT.labels
    assert 0.5 <= notes["teacher_commonest_share"] <= 1


def test_each_part_of_the_shots_is_asked_after_all_others():
    model, shown = tiny("opt"), SHOTS.labelled
    parts = [shown[i : i + 2] for i in range(0, len(shown), 2)]
    right = 0
    for asked in parts:
        others = tuple(each for part in parts if part is not asked for each in part)
        answers = LabelWords(model, PROMPT, others)(asked).argmax(-1).tolist()
        right += sum(answer == example.label for answer, example in zip(answers, asked, strict=True))
    assert teacher_gap(model, PROMPT, shown, 8192)["teacher_accuracy_on_shots"] == right / len(shown)
    assert teacher_gap(model, PROMPT, shown[:2], 8192) == {}


def test_a_model_that_cannot_write_inputs_asks_for_some():
    with pytest.raises(UserError, match="wrote 0 inputs that read as the pattern: give some with --unlabelled"):
        method("distill", {"pool_size": "4"}).fit(tiny("opt"), PROMPT, [replace(SHOTS, unlabelled=())], Budget(steps=1))


@pytest.mark.parametrize(
    ("pattern", "answer_prefix", "fields"),
    [
        ("question: {text} true?", " answer:", {"text": "it rained {all} day.\nAnd? 1+1=2 (yes)"}),
        ("{a} question: {b} Yes or No?", "", {"a": "the judge", "b": "saw"}),
        ("{{{a}}} and again {a}: {b}", "", {"a": "x (y)*", "b": "z"}),
        ("{text}", "", {"text": "no pattern at all"}),
    ],
)
def test_what_a_pattern_writes_is_read_back(pattern, answer_prefix, fields):
    prompt = Prompt(pattern, ("yes", "quite [bad]"), ("0", "1"), answer_prefix)
    for label in (0, 1):
        assert read_back(prompt, prompt.answered(Example(fields, label))) == fields


@pytest.mark.parametrize(
    "text", ["", "something else", "question: true? answer: yes", "question: it rained true? answer: perhaps"]
)
def test_what_a_pattern_would_not_write_is_dropped(text):
    assert read_back(PROMPT, text) is None


@pytest.mark.skipif(not STORIES.is_dir(), reason="no ../shared/models/stories260K: needs a model that writes English")
def test_a_language_model_writes_new_inputs_the_same_for_the_same_seed():
    model = load(str(STORIES))
    prompt = Prompt("{text}", ("He", "She"), ("he", "she"), separator="\n\n")
    shown = [Example({"text": "Lily saw a big dog."}, 1), Example({"text": "Tom went to the park."}, 0)]
    made = generated_inputs(model, prompt, shown, 4, seed=1)
    assert len(made) == 4
    assert len({example.fields["text"] for example in made}) == 4
    assert not any(example in made for example in shown)
    assert made == generated_inputs(model, prompt, shown, 4, seed=1)
    assert made != generated_inputs(model, prompt, shown, 4, seed=2)
    assert all(example.label is None for example in made)


@pytest.mark.parametrize("architecture", ["llama", "opt"])
def test_generated_inputs_go_on_past_a_plain_space(architecture, monkeypatch):
    """In SentencePiece vocabularies a space decodes to nothing alone, and must not be taken for an end of text."""
    model = tiny(architecture)
    space = next(t for t in range(len(model.tokenizer)) if t not in end_ids(model) and not model.decode([t]).strip())
    drawn = iter([*model.encode(["the"])[0][-1:], space, *model.encode(["cook"])[0][-1:]] * 100)
    monkeypatch.setattr(generation, "sampling", lambda *_: lambda logits: [next(drawn)] * len(logits))
    texts = []
    monkeypatch.setattr(generation, "read_back", lambda prompt, text: texts.append(text))
    generated_inputs(model, PROMPT, SHOTS.labelled, 1, seed=0)
    assert min(map(len, texts)) > 50
