"""Python code that uses an export without inweights, for its model card; the tests run it."""

from collections.abc import Mapping
from typing import Any

from inweights.exports.manifest import Manifest
from inweights.exports.readout_values import prompt_of
from inweights.exports.reference_loader import holds_control_tokens
from inweights.models.families import AUTO_CLASSES

WORDS = """
def score(word):  # log-probability of the word after the text
    front, whole = (tokenizer(each, return_tensors="pt").input_ids for each in (text, text + word))
    log_probs = model(whole).logits[0, -whole.shape[1]:].float().log_softmax(-1)
    return sum(log_probs[i - 1, whole[0, i]].item() for i in range(front.shape[1], whole.shape[1]))

scores = {label: score(word) - offset for label, word, offset in TABLE}"""
ADAPTERS = """
adapters = load_file(f"{folder}/FILE")
model.load_state_dict(adapters, strict=False)

def behind(name):  # h + U f(D h + d) + u
    down, up = ([adapters[f"{name}.adapter.{way}.{of}"] for of in ("weight", "bias")] for way in ("down", "up"))
    linear, f = torch.nn.functional.linear, torch.nn.functional.ACTIVATION
    return lambda module, inputs, h: h + linear(f(linear(h.float(), *down)), *up).to(h.dtype)

for name in {key.partition(".adapter.")[0] for key in adapters if ".adapter." in key}:
    model.get_submodule(name).register_forward_hook(behind(name))"""
CLASSIFIER = """
scores = dict(zip(LABELS, model(**tokenizer(text, return_tensors="pt")).logits[0].tolist()))"""
HEAD = """
head = load_file(f"{folder}/head.safetensors")
states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].float()
logits = torch.nn.functional.linear(SUMMARY, head["score.weight"], head.get("score.bias"))
scores = dict(zip(LABELS, logits.tolist()))"""
SUMMARY = {"first": "states[0]", "last": "states[-1]", "mean": "states.mean(0)"}


def loading_code(manifest: Manifest) -> str:
    """From `folder` and `text`, the filled-in pattern with any demonstrations in front, to `scores` by label."""
    readout = manifest.readout
    member = readout["members"][0] if readout["kind"] == "ensemble" else readout
    return f"{_loading(manifest, AUTO_CLASSES[readout['task_type']])}\n{_scoring(member)}\n"


def _loading(manifest: Manifest, auto: str) -> str:
    where = "folder" if manifest.form == "model" else repr(manifest.base.place)
    options = f"dtype=torch.{manifest.base.torch_dtype}"
    if manifest.form == "adapter" and auto == "AutoModelForSequenceClassification":
        options += f", num_labels={len(manifest.readout['prompt']['labels'])}"
    imports = ["import torch", *(["from peft import PeftModel"] if manifest.for_peft else [])]
    bottlenecks = manifest.form == "adapter" and not manifest.for_peft
    imports += ["from safetensors.torch import load_file"] if auto == "AutoModel" or bottlenecks else []
    return "\n".join(
        [
            *imports,
            f"from transformers import {auto}, AutoTokenizer",
            "",
            f"model = {auto}.from_pretrained({where}, {options})",
            *(["model = PeftModel.from_pretrained(model, folder).eval()"] if manifest.for_peft else []),
            f"tokenizer = AutoTokenizer.from_pretrained({where}{_split(manifest)})",
            *([_bottlenecks(manifest)] if bottlenecks else []),
        ]
    )


def _split(manifest: Manifest) -> str:
    """Control tokens in the text are read as characters, unless the pattern has some itself."""
    first = manifest.readout.get("members", [manifest.readout])[0]
    return "" if holds_control_tokens(first["prompt"]) else ", split_special_tokens=True"


def _bottlenecks(manifest: Manifest) -> str:
    assert manifest.update is not None
    code = ADAPTERS.replace("FILE", manifest.update.file)
    return code.replace("ACTIVATION", manifest.update.settings["activation"])


def _scoring(member: Mapping[str, Any]) -> str:
    labels = list(member["prompt"]["labels"])
    if member["kind"] == "label-words":
        offsets = member["offsets"] or [0] * len(labels)
        # Words of which one begins another are scored with what follows the answer, as in training.
        words = [word + member["suffix"] for word in prompt_of(member).choices]
        table = list(zip(labels, words, offsets, strict=True))
        return WORDS.replace("TABLE", repr(table))
    if member["task_type"] == "SEQ_CLS":
        return CLASSIFIER.replace("LABELS", repr(labels))
    return HEAD.replace("LABELS", repr(labels)).replace("SUMMARY", SUMMARY[member["pooling"]])
