"""What a student is trained and measured on: losses worked out by hand, prompts that keep what they promise."""

import math
import random
import time
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from transformers import AutoModelForCausalLM

from inweights.context.chunks import chunks_of
from inweights.context.metrics import base_kl, contexts_read, gap_recovered, information_recovered
from inweights.context.prefix import PIECE, pieces_of, prefix_begun
from inweights.context.qa_tokens import Question
from inweights.context.replay import (
    ANSWER_TOKENS,
    _part,
    conflicting_rows,
    drop_sentences,
    neutral_rows,
    recombined,
    swap_answers,
)
from inweights.context.returned_context import returned_rows
from inweights.context.settings import Settings
from inweights.context.systems import System, respond
from inweights.context.teacher import teacher_answers_of
from inweights.context.template import Template
from inweights.context.train import initial_update
from inweights.context.training_mix import rows_of
from inweights.context.training_rows import Row, Student, row_of, without_front
from inweights.engine.trees import Tree
from inweights.metrics import exact_match
from inweights.scoring.teacher_logprobs import TeacherLogprobs, TopK, truncated
from inweights.sources.types import Context, Section
from inweights.types import UserError
from tests.tiny import folder, tiny

TALE = (
    "The judge saw the doctor near the old house. A lazy cook sold seven red lamps to the king; nobody paid him. It rained."
)
TEMPLATE = Template(answer_tokens=4)
QUESTIONS = [Question(text, 0) for text in ("Did the doctor see the judge?", "Who sold the lamps?", "money", "the street")]
ARCHITECTURES = ["llama", "gpt2", "opt", "gemma2", "mistral", "bloom"]


def replayed(model, count: int = 3) -> list[Row]:
    pieces = chunks_of(model, Context((Section(TALE, source="tale"),)), 200)
    lessons = teacher_answers_of(model, TEMPLATE, pieces[0].text, QUESTIONS).examples
    return conflicting_rows(model, TEMPLATE, pieces, lessons, count, random.Random(0))


# The loss


def test_a_loss_worked_out_by_hand():
    """Two positions: a coin of 1/2 and a rest against 1/4, then certainty against 1/8; by the mean number of positions."""
    first = truncated(torch.tensor([[0.5, 0.25, 0.25]]).log(), TopK(mass=0.4, minimum=1))
    second = truncated(torch.tensor([[0.0, 100.0, 0.0]]).log_softmax(-1), TopK(minimum=1))
    both = TeacherLogprobs(torch.cat([first.ids, second.ids]), torch.cat([first.log_probs, second.log_probs]))
    rows = [row_of(Tree((4, 5, 6), reads=(1, 2)), both), row_of(Tree((4,), reads=(0,)), first)]
    logits = torch.tensor([[0.25, 0.5, 0.25], [0.5, 0.125, 0.375], [0.5, 0.3, 0.2]]).log() + 7.0
    coin = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    expected = torch.tensor([(coin + math.log(8)) / 1.5, 0.0])
    torch.testing.assert_close(Student(rows).loss([0, 1], logits), expected, rtol=1e-5, atol=1e-6)


def test_a_row_has_one_distribution_for_each_position_read():
    with pytest.raises(AssertionError, match="one distribution for each position read"):
        row_of(Tree((4, 5), reads=(0, 1)), truncated(torch.zeros(1, 5).log_softmax(-1)))


def test_a_row_behind_a_front_lets_go_of_what_the_front_reads():
    many = truncated(torch.randn(4, 30, generator=torch.Generator().manual_seed(0)).log_softmax(-1))
    row = row_of(Tree((1, 4, 5), ((6, 7), (8,)), (0, 2, 3, 5)), many, firsts=(0, 1, 3))
    shorter = without_front(row, 1)
    assert shorter.tree == Tree((4, 5), ((6, 7), (8,)), (1, 2, 4))
    assert shorter.firsts == (0, 2)
    assert shorter.logprobs.log_probs.equal(many.log_probs[1:])


@pytest.mark.parametrize("architecture", ["llama", "opt", "gemma2"])
@torch.no_grad()
def test_a_row_behind_the_tokens_it_gave_up_says_what_it_said(architecture):
    model = tiny(architecture)
    for row in replayed(model):
        for front in (1, 3):
            shorter = without_front(row, front)
            found = model.next_token_logits([shorter.tree], model.prefix(row.tree.stem[:front]))
            torch.testing.assert_close(found, model.next_token_logits([row.tree]), rtol=0, atol=1e-4)


# What is replayed


def test_answers_exchange_their_places():
    text = "the cook carried the lamp . the king washed the cooker . the judge slept ."
    for seed in range(20):
        changed = swap_answers(text, ["cook", "king", "nobody", ""], random.Random(seed))
        assert changed == "the king carried the lamp . the cook washed the cooker . the judge slept ."


def test_of_two_answers_that_overlap_the_longer_is_exchanged_whole():
    assert swap_answers("red lamp, lamp", ["lamp", "red lamp"], random.Random(0)) == "lamp, red lamp"


def test_names_and_numbers_exchange_where_no_two_answers_stand():
    changed = swap_answers("Anna paid 7 to Berta.", ["nobody"], random.Random(0))
    assert sorted(changed.rstrip(".").split()) == sorted("Anna paid 7 to Berta".split())
    assert all(word != other for word, other in zip(changed.split()[::2], ["Anna", "7", "Berta."], strict=False))
    assert swap_answers("nobody paid.", [], random.Random(0)) == "nobody paid."


@pytest.mark.parametrize("text", [TALE, "Yes. No.\nIt did. It rained. He paid. Good.\n\nYes. \n Bad."])
def test_sentences_recombined_have_the_same_words_at_the_same_places_and_all_white_space(text):
    for seed in range(20):
        changed = recombined(text, random.Random(seed))
        assert [each.isspace() for each in changed] == [each.isspace() for each in rearranged(text, changed)]
        assert sorted(changed.split()) == sorted(text.split())
        for length in {len(each.split()) for each in sentences(text)}:
            ours, theirs = ([s.split() for s in sentences(t) if len(s.split()) == length] for t in (text, changed))
            assert [sorted(column) for column in zip(*ours, strict=True)] == [sorted(c) for c in zip(*theirs, strict=True)]


def sentences(text: str) -> list[str]:
    return [each for each in text.replace("\n", " ").replace(".", ".|").replace(";", ";").split("|") if each.strip()]


def rearranged(text: str, changed: str) -> str:
    """The words of one text in the white space of another."""
    words = iter(changed.split())
    found, inside = [], False
    for letter in text:
        if letter.isspace():
            found.append(letter)
        elif not inside:
            found.append(next(words))
        inside = not letter.isspace()
    return "".join(found)


def test_sentences_of_as_many_words_say_something_new():
    text = "the cook carried the lamp . the king washed the hat . the judge pulled the rope ."
    assert any(recombined(text, random.Random(seed)) != text for seed in range(3))


def test_a_thinned_text_lacks_whole_sentences_and_is_never_empty():
    text = "One came. Two went! Three slept?\nFour sat."
    for seed in range(30):
        left = drop_sentences(text, random.Random(seed))
        assert left
        kept = [each for each in ("One came.", "Two went!", "Three slept?", "Four sat.") if each in left]
        assert "".join("".join(kept).split()) == "".join(left.split())
    assert {drop_sentences("No sentence", random.Random(seed)) for seed in range(30)} == {"No sentence"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.no_grad()
def test_a_branched_row_says_what_each_prompt_says_read_whole(architecture):
    """Every question with its answer, by plain transformers, one whole prompt at a time."""
    model = tiny(architecture)
    plain = AutoModelForCausalLM.from_pretrained(folder(architecture), attn_implementation="eager").eval()
    for row in replayed(model):
        assert len(row.tree.branches) == len(row.firsts) > 1
        found = model.next_token_logits([row.tree])
        starts = [*row.firsts, len(row.tree.reads)]
        at = len(row.tree.stem)
        for branch, first, last in zip(row.tree.branches, starts[:-1], starts[1:], strict=True):
            whole = plain(torch.tensor([[*row.tree.stem, *branch]])).logits[0]
            places = [len(row.tree.stem) + place - at for place in row.tree.reads[first:last]]
            torch.testing.assert_close(found[first:last], whole[places], rtol=0, atol=1e-4)
            at += len(branch)
        assert row.logprobs.kl_to(found.log_softmax(-1)).abs().max() < 1e-5


def test_what_is_replayed_is_the_models_own(causal):
    """No drift and all contexts read where nothing was learnt; the same for a seed, as many as asked for."""
    rows, neutral = replayed(causal, 5), neutral_rows(causal, 70, random.Random(0))
    assert (len(rows), len(neutral)) == (5, 70)
    assert len({row.tree for row in rows}) > 1
    assert len({row.tree for row in neutral}) == 70
    assert base_kl(causal, [*rows, *neutral]) == pytest.approx(0, abs=1e-5)
    assert contexts_read(causal, TEMPLATE, rows) == 1.0
    assert [row.tree for row in rows] == [row.tree for row in replayed(causal, 5)]
    assert [row.tree for row in neutral] == [row.tree for row in neutral_rows(causal, 70, random.Random(0))]


def test_no_more_is_replayed_than_there_is_time_for(causal):
    pieces = chunks_of(causal, Context((Section(TALE, source="tale"),)), 200)
    lessons = teacher_answers_of(causal, TEMPLATE, pieces[0].text, QUESTIONS).examples
    past = time.monotonic() - 1
    assert 0 < len(conflicting_rows(causal, TEMPLATE, pieces, lessons, 100, random.Random(0), until=past)) < 100
    assert 0 < len(neutral_rows(causal, 1000, random.Random(0), until=past)) < 1000
    assert conflicting_rows(causal, TEMPLATE, pieces, [], 10, random.Random(0)) == []


def test_contexts_are_read_as_before_where_nothing_was_learned_however_long_answers_may_be(causal):
    """The bare model's answers end after ANSWER_TOKENS; so must those that are compared with them."""
    long = replace(TEMPLATE, answer_tokens=3 * ANSWER_TOKENS)
    pieces = chunks_of(causal, Context((Section(TALE, source="tale"),)), 200)
    lessons = teacher_answers_of(causal, long, pieces[0].text, QUESTIONS).examples
    rows = conflicting_rows(causal, long, pieces, lessons, 3, random.Random(0))
    assert max(len(row.logprobs) for row in rows) >= ANSWER_TOKENS
    assert contexts_read(causal, long, rows) == 1.0


def test_a_window_is_sentences_that_follow_each_other_about_as_long_as_asked_for():
    text = " ".join(f"Sentence {number} says it." for number in range(60))
    seen = set()
    for seed in range(30):
        part = _part(text, 600, (60, 120), random.Random(seed))
        assert part in text
        assert part.startswith("Sentence")
        assert part.endswith("it.")
        assert 0.1 * len(text) - 1 <= len(part) <= 0.2 * len(text) + 30
        seen.add(part)
    assert len(seen) > 10
    assert _part("Short.", 3, (64, 256), random.Random(0)) == "Short."


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.no_grad()
def test_a_returned_context_has_the_same_targets_as_the_question_alone(architecture):
    """Every branch after the stem is the teacher's whole prompt with the answer; its targets are the row's own."""
    model = tiny(architecture)
    pieces = chunks_of(model, Context((Section(TALE, source="tale"),)), 200)
    answered = teacher_answers_of(model, TEMPLATE, pieces[0].text, QUESTIONS)
    rows = rows_of(answered)
    found = returned_rows(model, TEMPLATE, pieces, answered.examples, rows, 2.0, random.Random(0))
    assert [len(row.firsts) for row in found] == [len(rows)] * 2
    expected = {}
    for lesson, row in zip(answered.examples, rows, strict=True):
        [whole] = model.encode([TEMPLATE.context(pieces[0].text) + TEMPLATE.asked(lesson.question.text)])
        expected[(*whole, *lesson.alone.completion_ids[:-1])] = row.logprobs
    for row in found:
        starts = [*row.firsts, len(row.logprobs)]
        for branch, first, last in zip(row.tree.branches, starts[:-1], starts[1:], strict=True):
            told = expected[(*row.tree.stem, *branch)]
            teacher = TeacherLogprobs(row.logprobs.ids[first:last], row.logprobs.log_probs[first:last])
            assert last - first == len(told)
            assert teacher.likeliest.tolist() == told.likeliest.tolist()
            torch.testing.assert_close(teacher.log_probs[:, -1], told.log_probs[:, -1])
    # The teacher's own answers, in its own prompt: there is nothing to learn.
    assert base_kl(model, found) == pytest.approx(0, abs=1e-5)
    assert returned_rows(model, TEMPLATE, pieces, answered.examples, rows, 0.0, random.Random(0)) == []


# A prefix


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt", "mistral"])
def test_a_prefix_begins_as_keys_of_the_context_and_its_first_position_does_not_learn(architecture):
    model = tiny(architecture)
    adapted = prefix_begun(model, [TALE], 24, seed=0)
    ids = pieces_of(model, [TALE], 24, seed=0)
    [front] = adapted.model.patches
    expected, found = model.prefix(ids), front.prefix(model.module)
    for one, other in zip((*found.keys, *found.values), (*expected.keys, *expected.values), strict=True):
        assert one.equal(other)
    assert (front.tokens, adapted.model.card.max_tokens) == (24, model.card.max_tokens - 24)
    own = torch.cat([each.flatten() for each in (*found.keys, *found.values)])
    own.square().sum().backward()
    assert all(each.shape[1] == 23 and each.grad.abs().max() > 0 for each in adapted.parameters.values())
    assert not any(each.requires_grad for pair in front.sink for each in pair)
    first = model.prefix(model.encode([TALE])[0][:1])
    for pair, key, value in zip(front.sink, first.keys, first.values, strict=True):
        torch.testing.assert_close(pair, (key, value), rtol=0, atol=1e-5)


@pytest.mark.parametrize("tokens", [2, 3, 17, 24, 50])
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_prefix_holds_pieces_from_all_over_the_context_in_their_order(architecture, tokens):
    """Its tokens are neighbours in the context, but where one piece ends and the next begins."""
    model = tiny(architecture)
    texts = [TALE, TALE, TALE]
    front = model.encode([""])[0]
    whole = [token for ids in model.encode(texts) for token in ids[len(front) :]]
    ids = pieces_of(model, texts, tokens, seed=1)
    assert len(ids) == tokens
    assert ids[0] == (front or whole)[0]
    pairs = set(pairwise(whole))
    seams = sum(pair not in pairs for pair in pairwise(ids[1:]))
    assert seams <= max(0, tokens // PIECE - 1)
    assert ids == pieces_of(model, texts, tokens, seed=1)
    assert tokens < 17 or len({tuple(pieces_of(model, texts, tokens, seed)) for seed in range(5)}) > 1


def test_a_prefix_of_no_size_or_of_the_contexts_is_refused(causal):
    with pytest.raises(UserError, match="a prefix of 500 tokens is no smaller than the context, which has"):
        prefix_begun(causal, [TALE], 500, 0)
    with pytest.raises(UserError, match="a prefix has at least 2 tokens, the first of which is fixed, not 1"):
        prefix_begun(causal, [TALE], 1, 0)
    with pytest.raises(UserError, match="BloomForCausalLM reads whole padded prompts and cannot take a prefix: take lora"):
        prefix_begun(tiny("bloom"), [TALE], 24, 0)


def test_a_prefix_leaves_half_of_the_window_to_what_is_asked(causal):
    learned = initial_update(causal, [TALE] * 1000, Settings(form="kv"))
    assert learned.model.card.max_tokens == causal.card.max_tokens // 2
    assert initial_update(causal, [TALE], Settings(form="kv", size=20)).model.card.max_tokens == causal.card.max_tokens - 20


@pytest.mark.parametrize(("context", "size"), [(10, 5), (200, 100), (1000, 128), (10_000, 624), (10**6, 2048)])
def test_a_prefix_is_a_sixteenth_of_the_context_within_bounds(context, size):
    assert Settings(form="kv").prefix_tokens(context) == size


# Measures


def test_a_perfect_student_has_recovered_all_and_an_untrained_one_nothing():
    bare = [3.0, 0.5, 2.0, 0.0]
    perfect, untrained = information_recovered(bare, [0.0] * 4), information_recovered(bare, bare)
    assert (perfect.value, perfect.low, perfect.high, perfect.questions) == (1.0, 1.0, 1.0, 4)
    assert (untrained.value, untrained.low, untrained.high) == (0.0, 0.0, 0.0)
    assert information_recovered(bare, [1.5, 0.25, 1.0, 0.0]).value == 0.5
    assert information_recovered([], []).value is None
    assert information_recovered([1e-4] * 5, [0.0] * 5).value is None


def test_resamples_with_nothing_to_recover_do_not_widen_the_interval_without_bound():
    """One question of ten that the context changes: a third of the resamples do not have it."""
    found = information_recovered([5.0] + [0.0] * 9, [1.0] + [0.01] * 9)
    assert found.value == pytest.approx(1 - 1.09 / 5)
    assert 0.7 < found.low <= found.value < found.high < 1


def test_a_gap_that_noise_explains_is_not_said_to_be_recovered():
    """Four questions, one of them won: a gap of .25 with a standard error of .25."""
    assert gap_recovered([0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]).value is None
    assert gap_recovered([1] * 9, [0] * 9, [0] * 9).value is None
    assert gap_recovered([0], [1], [1]).value is None
    half = gap_recovered([0] * 40, [1] * 40, [1, 0] * 20)
    assert half.value == 0.5
    assert 0.3 < half.low < 0.4
    assert 0.6 < half.high < 0.7
    assert gap_recovered([0] * 40, [1] * 40, [1] * 40).value == 1.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("The Cook.", "cook", True),
        ("  a  cook,\n", "Cook", True),
        ("cook", "cooks", False),
        ("the cook and a king", "cook and king", True),
        ("theme", "me", False),
        ("", "cook", False),
        ("1,000", "1000", True),
    ],
)
def test_an_answer_matches_but_for_case_articles_punctuation_and_spacing(one, other, same):
    assert exact_match(one, other) == same


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
@torch.no_grad()
def test_the_right_answer_is_scored_as_whole_texts_are(architecture):
    model = tiny(architecture)
    questions = [replace(QUESTIONS[0], gold="the judge"), QUESTIONS[1], replace(QUESTIONS[2], gold="seven lamps")]
    stems = [tuple(ids) for ids in model.encode([TEMPLATE.bare(each.text) for each in questions])]
    alone = System("alone", model)
    found = respond(alone, TEMPLATE, questions, "exact-match")
    assert math.isnan(found.gold_log_probs[1])
    for number in (0, 2):
        ids = model.encode([f"{TEMPLATE.bare(questions[number].text)} {questions[number].gold}"])[0]
        assert tuple(ids[: len(stems[number])]) == stems[number]
        rows = model.module(torch.tensor([ids])).logits[0].log_softmax(-1)
        each = [float(rows[place - 1, ids[place]]) for place in range(len(stems[number]), len(ids))]
        assert found.gold_log_probs[number] == pytest.approx(sum(each) / len(each), abs=1e-4)
    answered = [replace(question, gold=text) for question, text in zip(questions, found.answers, strict=True)]
    assert respond(alone, TEMPLATE, answered, "exact-match").scores == (1.0,) * 3
