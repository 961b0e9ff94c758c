"""Label scores equal those of plain transformers code: whole prompt, one example at a time."""

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from inweights.models.base import Tree
from inweights.scoring import label_scores
from inweights.types import Example, Prompt, UserError
from tests.tiny import ARCHITECTURES, PADDED_ONLY, folder, tiny

ONE_TOKEN = ("yes", "no")
MANY_TOKENS = ("yes", "quite terrible", "not good or bad")
EXAMPLES = [
    Example({"text": "The judge saw the doctor."}, 0),
    Example({"text": "A lazy cook sold seven red lamps to the king; nobody paid him."}, 1),
    Example({"text": "It rained {all} day."}, 0),
    Example({"text": "Did the doctor see the old judge near the house that year, or was it a cook?"}, 1),
    Example({"text": "money"}, 0),
]
DEMONSTRATIONS = [Example({"text": "the king paid"}, 0), Example({"text": "nobody saw the street."}, 1)]


def prompt_with(words: tuple[str, ...]) -> Prompt:
    return Prompt("question: {text} true?", words, words, " answer:")


@torch.no_grad()
def plain(architecture: str, prompt: Prompt, example: Example, context: str) -> Tensor:
    """The reference: nothing of ours but the text."""
    tokenizer = AutoTokenizer.from_pretrained(folder(architecture))
    model = AutoModelForCausalLM.from_pretrained(folder(architecture), attn_implementation="eager").eval()
    before = tokenizer(context + prompt.body(example))["input_ids"]
    scores = []
    for word in prompt.verbalizer:
        ids = tokenizer(context + prompt.body(example) + " " + word)["input_ids"]
        assert ids[: len(before)] == before
        log_probs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        scores.append(sum(log_probs[at - 1, ids[at]] for at in range(len(before), len(ids))))
    return torch.stack(scores)


@pytest.mark.parametrize("words", [ONE_TOKEN, MANY_TOKENS], ids=["one token", "many tokens"])
@pytest.mark.parametrize("shown", [0, 2], ids=["zero-shot", "demonstrations"])
@pytest.mark.parametrize("architecture", [*ARCHITECTURES, *PADDED_ONLY])
def test_scores_equal_plain_transformers(architecture, shown, words):
    prompt = prompt_with(words)
    context = prompt.context(DEMONSTRATIONS[:shown])
    expected = torch.stack([plain(architecture, prompt, example, context) for example in EXAMPLES])
    model = tiny(architecture)
    for batch_tokens in (1, 64, 8192):
        with torch.no_grad():
            scores = label_scores(model, prompt, EXAMPLES, context, batch_tokens=batch_tokens)
        torch.testing.assert_close(scores, expected, rtol=0, atol=1e-4)
