"""LoRA, BitFit and prompt tuning learn as PEFT's do: same start, same data, same steps, same losses.

PEFT draws its initial A and prompts from torch's global generator, interleaved with other draws; ours come from the run's
own generator. So ours are copied into PEFT's before the first step; everything else is PEFT's and plain transformers'.
"""

import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

from inweights.methods.pattern import PatternFineTune
from inweights.training import Schedule
from inweights.types import Budget, Example, Prompt, Seeds, Shots
from inweights.updates import BitFit, LoRA, PromptTuning
from tests.tiny import folder, tiny

STEPS = 20
PROMPT = Prompt("question: {text} true?", ("yes", "not good"), ("a", "b"), " answer:")
TEXTS = ["The judge saw the doctor.", "A lazy cook sold seven red lamps.", "It rained that year.", "money", "the old house"]
EXAMPLES = tuple(Example({"text": text}, index % 2) for index, text in enumerate(TEXTS))
SHOTS = Shots(EXAMPLES, tuple(range(len(EXAMPLES))), (), Seeds(1, 2, 3, 4))
# One batch is all of the data, so the order inside it does not matter.
SCHEDULE = Schedule(lr=5e-3, epochs=STEPS, batch_size=len(EXAMPLES), warmup=0.0, decay="constant", clip_norm=0.0)


def ours(architecture: str, update):
    model = tiny(architecture)
    without_dropout(model.module)
    [fitted] = PatternFineTune(update, SCHEDULE).fit(model, PROMPT, [SHOTS], Budget())
    return fitted


def without_dropout(module: nn.Module) -> None:
    for each in module.modules():
        if isinstance(each, nn.Dropout):
            each.p = 0.0


def theirs(model: nn.Module, architecture: str) -> list[float]:
    """The losses of a loop that knows nothing of ours; whole prompts, one at a time."""
    tokenizer = AutoTokenizer.from_pretrained(folder(architecture))
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=SCHEDULE.lr, weight_decay=0.0)
    model.train()
    losses = []
    for _ in range(STEPS):
        loss = torch.stack([example_loss(model, tokenizer, example) for example in EXAMPLES]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def example_loss(model: nn.Module, tokenizer, example: Example) -> Tensor:
    before = tokenizer(PROMPT.body(example))["input_ids"]
    scores = []
    for word in PROMPT.verbalizer:
        ids = tokenizer(PROMPT.body(example) + " " + word)["input_ids"]
        log_probs = model(torch.tensor([ids])).logits[0, -len(ids) :].log_softmax(-1)  # PEFT's prompts give logits too
        scores.append(sum(log_probs[at - 1, ids[at]] for at in range(len(before), len(ids))))
    return F.cross_entropy(torch.stack(scores)[None], torch.tensor([example.label]))


def plain(architecture: str) -> nn.Module:
    model = AutoModelForCausalLM.from_pretrained(folder(architecture))
    without_dropout(model)
    return model


def inner(name: str) -> str:
    """PEFT's name of one of our parameters."""
    return f"base_model.model.{name.removesuffix('.weight')}.default.weight"


@pytest.mark.parametrize("architecture", ["opt", "llama", "gpt2", "gpt_neox"])
def test_lora_has_the_losses_and_the_factors_of_pefts(architecture):
    update = LoRA(rank=4, alpha=8.0)
    conv = architecture == "gpt2"
    config = LoraConfig(
        r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", bias="none", fan_in_fan_out=conv
    )
    peft = get_peft_model(plain(architecture), config)
    start = update.apply(tiny(architecture), SHOTS.seeds.init).parameters
    known = dict(peft.named_parameters())
    assert {inner(name) for name in start} == {name for name, p in known.items() if p.requires_grad}
    with torch.no_grad():
        for name, parameter in start.items():
            known[inner(name)].copy_(parameter)
    fitted = ours(architecture, update)
    assert fitted.losses == pytest.approx(theirs(peft, architecture), abs=1e-4)
    assert fitted.losses[-1] < 0.9 * fitted.losses[0]
    for name, parameter in fitted.trained.items():
        torch.testing.assert_close(parameter, known[inner(name)], rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("architecture", ["opt", "gpt2", "gpt_neox"])
def test_bitfit_has_the_losses_and_the_biases_of_pefts(architecture):
    vehicle = {"opt": "fc1", "gpt2": "c_fc", "gpt_neox": "dense_h_to_4h"}[architecture]
    config = LoraConfig(
        r=1, target_modules=[vehicle], task_type="CAUSAL_LM", bias="all", fan_in_fan_out=architecture == "gpt2"
    )
    peft = get_peft_model(plain(architecture), config)
    known = {name.replace(".base_layer.", "."): parameter for name, parameter in peft.named_parameters()}
    for name, parameter in known.items():
        if ".lora_" in name:  # PEFT carries biases with a LoRA only; it stays at zero
            parameter.requires_grad_(False)
    fitted = ours(architecture, BitFit())
    names = {f"base_model.model.{name}" for name in fitted.trained}
    assert names == {name for name, parameter in known.items() if parameter.requires_grad}
    assert fitted.losses == pytest.approx(theirs(peft, architecture), abs=1e-4)
    assert fitted.losses[-1] < 0.9 * fitted.losses[0]
    for name, parameter in fitted.trained.items():
        # A key's bias adds the same to all scores of a softmax: its gradient is rounding, and Adam makes steps of that.
        if not any(part in name for part in ("k_proj", "c_attn", "query_key_value")):
            torch.testing.assert_close(parameter, known[f"base_model.model.{name}"], rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("architecture", ["opt", "llama", "gpt2", "gpt_neox", "gemma3_text"])
def test_prompt_tuning_has_the_losses_and_the_embeddings_of_pefts(architecture):
    update = PromptTuning(tokens=6)
    peft = get_peft_model(plain(architecture), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=6))
    [theirs_start] = [parameter for parameter in peft.parameters() if parameter.requires_grad]
    with torch.no_grad():
        theirs_start.copy_(update.apply(tiny(architecture), SHOTS.seeds.init).parameters["prompt.embeddings"])
    fitted = ours(architecture, update)
    assert fitted.losses == pytest.approx(theirs(peft, architecture), abs=1e-4)
    assert fitted.losses[-1] < fitted.losses[0]
    torch.testing.assert_close(fitted.trained["prompt.embeddings"], theirs_start, rtol=1e-2, atol=1e-3)
