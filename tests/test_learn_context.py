"""A learnt context as a folder: what plain libraries get from it, what is refused, what it tells and does not tell."""

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest
import torch

from benchmarks.composition import composed, moved
from inweights.context.qa_tokens import Question
from inweights.context.settings import Settings
from inweights.context.train import initial_update
from inweights.engine.trees import Tree
from inweights.exports.context_card import read
from inweights.exports.load_context import load, write_form
from inweights.grammar.lexicon import VERBS
from inweights.learning.inputs import read_inputs
from inweights.learning.pipeline import learn_into
from inweights.learning.request import LearnRequest
from inweights.learning.session import Session
from inweights.learning.update import update
from inweights.learning.work import work_of
from inweights.types import UserError
from tests.tiny import folder, tiny
from tools.embedded import documents

TEXT = "The judge saw the doctor near the old house. A lazy cook sold seven red lamps to the king; nobody paid him."
QUESTION = "Did the doctor see the judge?"
EVENTS = documents.facts(random.Random(11), 6)


def say(events: list[documents.Event]) -> str:
    return " ".join(documents.document(events))


def asked(events: list[documents.Event]) -> tuple[Question, ...]:
    return tuple(
        Question(text, gold=event.agent, kind=kind)
        for event in events
        for kind, text in (
            ("worded", f"who {VERBS[event.verb][2]} the {event.patient} ?"),
            ("paraphrased", f"by whom was the {event.patient} {VERBS[event.verb][2]} ?"),
        )
    )


SETTINGS = Settings(lr=0.01, epochs=40, batch_tokens=160, replay=0.3, size=10, held_out=0.0)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six made facts, learnt by the embedded model as a LoRA and as a prefix."""
    place = tmp_path_factory.mktemp("learnt")
    (place / "facts.txt").write_text(say(EVENTS) + "\n")
    given = read_inputs("embedded", [str(place / "facts.txt")])
    out = place / "out"
    learn_into(out, given, LearnRequest("both", SETTINGS, asked(EVENTS), asked(EVENTS), rivals=("icl",)), lambda text: None)
    return out


def copied(source: Path, place: Path) -> Path:
    return Path(shutil.copytree(source, place / "copy"))


@pytest.mark.parametrize("form", ["lora", "kv", "merged"])
@pytest.mark.parametrize("architecture", ["opt", "llama", "gpt2", "gpt_neox", "qwen2"])
def test_plain_libraries_give_what_the_learnt_model_gives(architecture, form, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = tiny(architecture)
    settings = Settings(form="kv" if form == "kv" else "lora", size=9)
    made = initial_update(model, [TEXT], settings)
    with torch.no_grad():
        for parameter in made.adapted.parameters.values():
            parameter += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
    write_form(form, made, model, tmp_path / "out", str(folder(architecture)), {"rank": 16, "alpha": 16.0})
    ids = model.encode([QUESTION])[0][made.front :]
    wanted = made.model.next_token_logits([Tree(tuple(ids))])[0]
    if form == "merged":
        plain = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    else:
        plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder(architecture)), tmp_path / "out")
    with torch.no_grad():
        found = plain.eval()(input_ids=torch.tensor([ids])).logits[0, -1]
    assert float((found - wanted).abs().max()) < 1e-4
    assert float((wanted - model.next_token_logits([Tree(tuple(model.encode([QUESTION])[0]))])[0]).abs().max()) > 1e-3


def test_a_prefix_comes_back_from_its_folder_to_the_last_bit(learned):
    one, other = load(learned, form="kv"), load(learned, form="kv")
    probe = one.card.probes[0]
    stem = tuple(one.base.encode([one.template.bare(probe.question)])[0][one.learned.front :])
    assert torch.equal(*(each.learned.model.next_token_logits([Tree(stem)]) for each in (one, other)))


def test_what_was_learnt_is_answered_and_measured(learned):
    found = dict(Session(learned).each([each.text for each in asked(EVENTS)]))
    assert sum(found[each.text] == each.gold for each in asked(EVENTS)) >= 11
    report = read(learned).report
    assert report.forms["lora"].information.value > 0.9
    assert report.forms["kv"].information.value > 0.2  # at a LoRA's rate, and a third of the steps it wants
    assert accuracy(report, "icl-piece") == 1.0
    assert accuracy(report, "alone") == 0.0
    assert report.systems["distilled (kv)"].kv_bytes == 10 * report.kv_bytes_per_token
    assert report.forms["kv"].seconds["answers"] == report.forms["lora"].seconds["answers"]
    assert report.sets["test"].metric == "exact-match"
    assert len(report.systems["distilled (lora)"].with_context["test"].scores) == len(asked(EVENTS))


def accuracy(report, name):
    return mean(report.systems[name].outcomes["test"].scores)


def test_an_answer_streams_to_the_same_text_and_shows_its_passage(learned):
    answering = Session(learned)
    question = asked(EVENTS)[0]
    [(_, whole)] = answering.each([question.text])
    assert "".join(answering.streamed(question.text)).strip() == whole
    [passage] = answering.passages(question.text, 1)
    assert passage.where == "line 1"
    assert EVENTS[0].patient in passage.body
    assert answering.notes == []


def test_sources_that_are_gone_or_changed_are_said_and_nothing_else_stops(learned, tmp_path):
    (tmp_path / "facts.txt").write_text("the cook ate .\n")
    assert "have changed" in Session(learned, sources=[str(tmp_path / "facts.txt")]).notes[0]
    gone = Session(learned, sources=[str(tmp_path / "nothing.txt")])
    assert "no passages are shown" in gone.notes[0]
    assert gone.passages("who ?", 3) == []


def test_the_sources_text_is_in_no_file(learned):
    sentences = [" ".join(documents.document([event])[:-1]) for event in EVENTS]
    for path in learned.rglob("*"):
        if path.is_file():
            assert not any(sentence.encode() in path.read_bytes() for sentence in sentences), path.name


def test_the_card_says_that_it_is_confidential(learned):
    assert "as confidential as its sources" in (learned / "README.md").read_text()


def test_another_base_is_refused(learned):
    with pytest.raises(UserError, match=r"is not the model .* was learned with \(embedded, .*: give that one with --model"):
        load(learned, model=str(folder("llama")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card["base"].update(tokenizer="0" * 16), r"the tokenizer of embedded is not the one"),
        (lambda card: card["template"].update(alone="Q: {question}"), r"the template in .* was changed"),
        (lambda card: card.update(format=99), r"is of format 99, this inweights reads 3"),
        (lambda card: card.pop("pieces"), r"cannot be read \(KeyError: 'pieces'\): learn it again"),
    ],
    ids=["tokenizer", "template", "format", "broken"],
)
def test_a_changed_card_is_refused(change, message, learned, tmp_path):
    place = copied(learned, tmp_path)
    card = json.loads((place / "context_card.json").read_text())
    change(card)
    (place / "context_card.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match=message):
        load(place)


def test_changed_and_missing_files_are_refused(learned, tmp_path):
    place = copied(learned, tmp_path)
    path = place / "lora" / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"adapter_model.safetensors is not the exported file"):
        load(place)
    path.unlink()
    with pytest.raises(UserError, match=r"adapter_model.safetensors is missing"):
        load(place)
    with pytest.raises(UserError, match=r"holds lora, kv, not merged"):
        load(learned, form="merged")


def test_after_an_edit_new_facts_are_learnt_and_old_ones_unlearnt(tmp_path):
    events = documents.facts(random.Random(12), 10)
    source = tmp_path / "facts.txt"
    source.write_text(say(events) + "\n")
    given = read_inputs("embedded", [str(source)], chunk_tokens=40)
    settings = replace(SETTINGS, form="lora")
    learn_into(tmp_path / "one", given, LearnRequest("lora", settings, asked(events), (), ()), lambda text: None)
    assert update(tmp_path / "one", tmp_path / "two") is None
    edited = [*events[:-1], replace(events[-1], agent="smith" if events[-1].agent != "smith" else "pilot")]
    source.write_text(say(edited) + "\n")
    measured = update(tmp_path / "one", tmp_path / "two", tests=asked(edited))
    assert measured is not None
    assert measured.forms["lora"].unlearned["questions"] == 2
    assert measured.forms["lora"].unlearned["as_now"] >= 1
    assert accuracy(measured, "distilled (lora)") >= 0.8
    kept = {path.name for path in (work_of(tmp_path / "one") / "told").iterdir()}
    now = {path.name for path in (work_of(tmp_path / "two") / "told").iterdir()}
    assert kept < now
    assert len(now - kept) <= 2, "pieces that are as they were are not asked again"


def test_an_update_without_its_work_is_one_line(learned, tmp_path):
    place = copied(learned, tmp_path)
    (tmp_path / "facts.txt").write_text("the cook carried the lamp .\n")
    with pytest.raises(UserError, match=r"copy.work/asked.json, where `learn` keeps what it has asked, cannot be read"):
        update(place, tmp_path / "new", [str(tmp_path / "facts.txt")])


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3", "gpt_neox", "mistral", "phi3"])
def test_moved_keys_are_those_of_tokens_that_stand_later(architecture):
    from transformers import DynamicCache

    model, caches = tiny(architecture), []
    for offset in (0, 6):
        caches.append(DynamicCache())
        places = torch.arange(4)[None] + offset
        with torch.no_grad():
            model.module(input_ids=torch.tensor([[5, 9, 11, 7]]), position_ids=places, past_key_values=caches[-1])
    for before, after in zip(*(each.layers for each in caches), strict=True):
        assert float((moved(model, before.keys[0], 6) - after.keys[0]).abs().max()) < 1e-5


@pytest.mark.parametrize("architecture", ["opt", "gpt2", "gemma2"])
def test_keys_that_are_not_rotated_or_not_all_alike_are_not_moved(architecture):
    model = tiny(architecture)
    with pytest.raises(UserError, match=r"so that they cannot be moved"):
        moved(model, model.prefix(model.encode([TEXT])[0]).keys[0], 3)


def test_two_prefixes_of_one_text_composed_are_the_prefix_of_both(causal):
    """Of tokens that see nothing before them in the first block, so that there the composition is exact."""
    one, two = ("The judge saw the doctor near the house.", "A lazy cook sold seven red lamps to the king.")
    parts = [initial_update(causal, [text], Settings(form="kv", size=6)) for text in (one, two)]
    whole = composed(causal, parts)
    keys = [part.model.patches[-1].prefix(causal.module) for part in (*parts, whole)]
    ids = [*keys_ids(causal, one), *keys_ids(causal, two)[1:]]
    wanted = causal.prefix(ids).keys[0]
    assert torch.allclose(keys[2].keys[0], wanted, atol=1e-5)
    with pytest.raises(UserError, match=r"only key/value prefixes are composed"):
        composed(causal, [initial_update(causal, [one], Settings())])


def keys_ids(model, text):
    from inweights.context.prefix import pieces_of

    return pieces_of(model, [text], 6, 0)
