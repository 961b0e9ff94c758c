"""Prompts read through a chat template: the pattern as a user's turn, the label word as the assistant's whole answer."""

import json
import re
import shutil

import pytest
import torch

from inweights import compare
from inweights.exports.card import About
from inweights.exports.export import write
from inweights.exports.load import load as load_export
from inweights.exports.reference_loader import plain_scores
from inweights.methods import Fitted
from inweights.models import load
from inweights.models.chat import chat_frame
from inweights.readouts import LabelWords
from inweights.scoring import label_scores
from inweights.study.chat import in_chat
from inweights.types import Example, Prompt, UserError
from tests.tiny import folder, metaspace

TURN = "{{ '<s>' if loop.first and messages[0]['role'] != 'system' else '' }}[{{ m['role'] }}]\n{{ m['content'] }}</s>\n"
TEMPLATE = "{% for m in messages %}" + TURN + "{% endfor %}{% if add_generation_prompt %}[assistant]\n{% endif %}"
PROMPT = Prompt("is {text} grammatical?", ("yes", "no"), ("a", "b"), name="mine")
SHOWN = (Example({"text": "the judge saw"}, 0), Example({"text": "king the"}, 1))


@pytest.fixture
def place(tmp_path):
    """A tiny model whose tokenizer has a chat template."""
    where = tmp_path / "chatty"
    shutil.copytree(folder("llama"), where)
    tokenizer = metaspace()
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(where)
    tokenizer.chat_template = None
    return where


def test_a_prompt_in_chat_is_what_the_template_renders(place):
    prompt, tokenizer = in_chat(PROMPT, str(place), "on", own_pattern=True), load(str(place)).tokenizer
    query = Example({"text": "a lamp"}, 0)
    turns = ["is the judge saw grammatical?", "yes", "is king the grammatical?", "no", "is a lamp grammatical?"]
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(turns)]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert "<s>" + prompt.context(SHOWN) + prompt.body(query) == rendered
    [alone] = [tokenizer.apply_chat_template(messages[-1:], tokenize=False, add_generation_prompt=True)]
    assert "<s>" + prompt.whole(query) == alone
    assert prompt.choices == ("yes", "no")


@torch.no_grad()
def test_a_label_word_is_scored_as_the_answer_without_a_space(place):
    model = load(str(place))
    prompt = in_chat(PROMPT, str(place), "on", own_pattern=True)
    query = Example({"text": "a lamp"}, 0)
    for context, front in (("", prompt.opening), (prompt.context(SHOWN), prompt.context(SHOWN))):
        text = front + prompt.body(query)
        expected = []
        for word in ("yes", "no"):
            whole = model.tokenizer(text + word)["input_ids"]
            start = len(model.tokenizer(text)["input_ids"])
            log_probs = model.module(torch.tensor([whole])).logits[0].log_softmax(-1)
            expected.append(sum(log_probs[at - 1, whole[at]] for at in range(start, len(whole))))
        [scores] = label_scores(model, prompt, [query], context)
        torch.testing.assert_close(scores, torch.stack(expected), rtol=0, atol=1e-4)


def test_an_export_in_chat_scores_the_same_by_plain_libraries_and_by_its_cards_code(place, tmp_path):
    prompt = in_chat(PROMPT, str(place), "on", own_pattern=True)
    fitted = Fitted(LabelWords(load(str(place)), prompt, SHOWN))
    checks = [Example({"text": "a lamp"}, 0), Example({"text": "money the was"}, 1)]
    out = tmp_path / "out"
    out.mkdir()
    write(fitted, out, checks, About())
    expected = fitted.readout(checks)
    torch.testing.assert_close(torch.tensor(plain_scores(out, str(place))), expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(load_export(out).readout(checks), expected, rtol=0, atol=1e-4)
    assert json.loads((out / "prompt_pack.json").read_text())["prompt"]["chat"]["answer"] == "</s>\n[assistant]\n"
    text = prompt.context(SHOWN) + prompt.body(checks[0])
    names = {"folder": str(out), "text": text}
    with torch.no_grad():
        exec(re.search(r"```python\n(.*?)```", (out / "README.md").read_text(), re.DOTALL)[1], names)
    assert names["scores"] == pytest.approx(dict(zip("ab", expected[0].tolist(), strict=True)), abs=1e-4)


def test_auto_uses_the_template_for_a_pattern_of_ones_own_alone(place):
    assert in_chat(PROMPT, str(place), "auto", own_pattern=True).name == "mine+chat"
    assert in_chat(PROMPT, str(place), "auto", own_pattern=False) == PROMPT
    assert in_chat(PROMPT, str(place), "off", own_pattern=True) == PROMPT
    assert in_chat(PROMPT, str(folder("llama")), "auto", own_pattern=True) == PROMPT


def test_a_template_that_is_asked_for_and_missing_is_an_error():
    with pytest.raises(UserError, match="has no chat template"):
        in_chat(PROMPT, str(folder("llama")), "on", own_pattern=True)


def test_a_template_that_rewords_turns_is_not_used():
    tokenizer = metaspace()
    tokenizer.chat_template = "{{ messages[-1]['content'] | upper }}"
    try:
        assert chat_frame(tokenizer, "<s>") is None
    finally:
        tokenizer.chat_template = None


def test_a_study_records_which_runs_read_a_chat(place, tmp_path):
    options = {"task": "made-acceptability", "methods": "zero-shot,icl,vanilla+frozen".split(","), "shots": 4, "seeds": 1}
    study = compare(str(place), **options, chat="on", limit=4, steps=1, out=tmp_path / "study")
    assert {record.status for record in study.records} == {"ok"}, [record.reason for record in study.records]
    assert all(record.run.prompt.endswith("+chat") for record in study.records)
