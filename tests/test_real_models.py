"""The essentials on two pretrained language models; `make test-real` installs them."""

from pathlib import Path

import pytest
import torch

import inweights
from inweights.models import load
from inweights.scoring import label_scores
from inweights.types import Example, Prompt, UserError

pytestmark = pytest.mark.real
NAMES = ("smollm2", "gemma3-270m")
TICKETS = Path(__file__).parents[1] / "examples" / "support_tickets"
PROMPT = Prompt("Review: {text}\nSentiment:", ("negative", "positive"), ("negative", "positive"))
SHOWN = [Example({"text": "A joy from start to end."}, 1), Example({"text": "Dull and far too long."}, 0)]
ASKED = [Example({"text": text}) for text in ("The best film of the year.", "I fell asleep.", "Fine acting, weak story.")]


@pytest.fixture(scope="module", params=NAMES)
def model(request):
    try:
        return load(request.param, "fp32")
    except UserError as error:
        pytest.skip(str(error))


@torch.no_grad()
def test_scores_equal_those_of_plain_transformers(model):
    context = PROMPT.context(SHOWN)
    found = label_scores(model, PROMPT, ASKED, context)
    for row, example in zip(found, ASKED, strict=True):
        for score, word in zip(row, PROMPT.verbalizer, strict=True):
            text = context + PROMPT.body(example)
            front, whole = (model.tokenizer(each).input_ids for each in (text, f"{text} {word}"))
            log_probs = model.module(torch.tensor([whole])).logits[0].log_softmax(-1)
            expected = sum(log_probs[i - 1, whole[i]] for i in range(len(front), len(whole)))
            assert score.item() == pytest.approx(expected.item(), abs=1e-3)


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision_packs(model, dtype):
    assert load(model.card.name, dtype).packs


@pytest.mark.parametrize("name", NAMES)
def test_lora_on_sixteen_tickets_beats_their_demonstrations(name, tmp_path):
    try:
        load(name)
    except UserError as error:
        pytest.skip(str(error))
    study = inweights.compare(
        name,
        methods=["icl", "pbft+lora"],
        train=str(TICKETS / "train.csv"),
        test=str(TICKETS / "test.csv"),
        seeds=1,
        out=tmp_path,
    )
    found = {each.run.method: each.outcomes["test"].scores for each in study.records}
    means = {method: sum(scores) / len(scores) for method, scores in found.items()}
    assert means["pbft+lora"] > max(0.5, means["icl"])
