"""Label words of which one begins another are scored with what follows the answer, as plain transformers would."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from inweights.exports.readout_values import to_values
from inweights.exports.reference_loader import _words
from inweights.methods.pattern import PatternFineTune
from inweights.readouts import LabelWords
from inweights.scoring import label_scores, queries_of, teacher_targets
from inweights.study.grid import planned_runs, tasks_of
from inweights.study.spec import Spec
from inweights.types import Budget, Example, Prompt, Seeds, Shots, UserError
from inweights.updates import LoRA
from tests.test_scoring import DEMONSTRATIONS, EXAMPLES, reference
from tests.tiny import ARCHITECTURES, PADDED_ONLY, folder, tiny

NESTED = ("no", "no way", "yes")


def prompt_with(words: tuple[str, ...], separator: str = ". ") -> Prompt:
    return Prompt("question: {text} true?", words, words, " answer:", separator)


def plain(architecture: str, prompt: Prompt, example: Example, context: str = "", suffix: str = ".") -> Tensor:
    """log p(word + suffix) of the whole prompt, one word at a time, with nothing of ours but the text."""
    tokenizer, model = reference(architecture)
    before = tokenizer(context + prompt.body(example))["input_ids"]
    scores = []
    for word in prompt.verbalizer:
        ids = tokenizer(f"{context}{prompt.body(example)} {word}{suffix}")["input_ids"]
        assert ids[: len(before)] == before
        log_probs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        scores.append(sum(log_probs[at - 1, ids[at]] for at in range(len(before), len(ids))))
    return torch.stack(scores)


@pytest.mark.parametrize("shown", [0, 2], ids=["zero-shot", "demonstrations"])
@pytest.mark.parametrize("architecture", [*ARCHITECTURES, *PADDED_ONLY])
@torch.no_grad()
def test_nested_words_score_as_word_and_suffix_in_plain_transformers(architecture, shown):
    prompt = prompt_with(NESTED)
    context = prompt.context(DEMONSTRATIONS[:shown])
    expected = torch.stack([plain(architecture, prompt, example, context) for example in EXAMPLES])
    scores = label_scores(tiny(architecture), prompt, EXAMPLES, context)
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_without_the_suffix_the_shorter_word_would_score_at_least_as_high(causal):
    bare = [plain("llama", prompt_with(NESTED), example, suffix="") for example in EXAMPLES]
    assert all(scores[0] >= scores[1] for scores in bare)


@torch.no_grad()
def test_words_of_which_none_begins_another_are_scored_alone(causal):
    prompt = prompt_with(("no", "yes"))
    expected = torch.stack([plain("llama", prompt, example, suffix="") for example in EXAMPLES])
    torch.testing.assert_close(label_scores(causal, prompt, EXAMPLES), expected, rtol=0, atol=1e-4)


def test_the_training_loss_of_nested_words_is_the_cross_entropy_of_those_scores(causal):
    prompt = prompt_with(NESTED)
    shots = Shots(tuple(EXAMPLES[:2]), (0, 1), (), Seeds(1, 2, 3, 4))
    run = PatternFineTune(LoRA()).prepared(causal, prompt, shots, Budget())
    with torch.no_grad():
        loss = run.loss([0, 1], run.model.next_token_logits(run.inputs_of([0, 1])))
        # The shots are learned in an order of their own; the sum does not depend on it.
        scores = torch.stack([plain("llama", prompt, example) for example in EXAMPLES[:2]])
    gold = torch.tensor([example.label for example in EXAMPLES[:2]])
    torch.testing.assert_close(loss.sum(), F.cross_entropy(scores, gold, reduction="sum"), rtol=0, atol=1e-4)


@torch.no_grad()
def test_distillation_targets_over_nested_words_are_the_softmax_of_those_scores(causal):
    prompt = prompt_with(NESTED)
    context = prompt.context(DEMONSTRATIONS)
    [targets] = teacher_targets(causal, prompt, [context], EXAMPLES)
    expected = torch.stack([plain("llama", prompt, example, context) for example in EXAMPLES]).log_softmax(-1)
    torch.testing.assert_close(targets.log_probs, expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_a_readout_scores_nested_words_alone_and_in_company_alike(causal):
    readout = LabelWords(causal, prompt_with(NESTED), tuple(DEMONSTRATIONS))
    together = readout(EXAMPLES)
    alone = torch.cat([readout([example]) for example in EXAMPLES])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("words", "suffix"), [(NESTED, "."), (("no", "yes"), "")])
@torch.no_grad()
def test_an_export_says_what_is_scored_with_its_words_and_its_reference_loader_scores_it(causal, words, suffix):
    readout = LabelWords(causal, prompt_with(words))
    values = to_values(readout)
    assert values["suffix"] == suffix
    tokenizer, model = reference("llama")
    plainly = _words(model, tokenizer, values, readout.prompt.body(EXAMPLES[0]))
    torch.testing.assert_close(plainly, readout(EXAMPLES[:1])[0], rtol=0, atol=1e-4)


def test_words_that_a_model_cannot_tell_apart_are_refused_before_any_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"the king paid {number},{label}\n" for number in range(8) for label in ("no", "no way"))
    Path("train.csv").write_text(f"text,label\n{rows}")
    spec = Spec(model=[str(folder("llama"))], train="train.csv", test="train.csv", methods=["zero-shot"], shots=[4], seeds=1)
    tasks, _ = tasks_of(spec)
    nested = replace(tasks[0].prompts[0], verbalizer=("no", "no way"), separator="")
    with pytest.raises(UserError, match="'no' is the beginning of 'no way'"):
        planned_runs(spec, [replace(tasks[0], prompts=(nested,))])


def test_the_first_part_of_the_separator_ends_a_word():
    assert [prompt_with(NESTED, separator).ends_answer for separator in ("\n\n", "\n###\n", " ; ", "")] == [
        "\n\n", "\n###", " ;", "",
    ]  # fmt: skip


def test_nested_words_that_nothing_follows_are_refused(causal):
    with pytest.raises(UserError, match=r"'no' is the beginning of 'no way' in the tokens of .*: choose other words"):
        queries_of(causal, prompt_with(NESTED, separator=""), EXAMPLES)


def test_nested_words_are_refused_where_their_ends_do_not_tell_them_apart(causal):
    # " no" + " way" is " no way" to the last token, and the end of the longer word comes too late to matter.
    prompt = prompt_with(("no", "no way"), separator=" way")
    with pytest.raises(UserError, match="' way' after them does not distinguish them"):
        queries_of(causal, prompt, EXAMPLES)
