"""The scores of an export by transformers and PEFT alone, one whole prompt at a time: what others will get from it.

Nothing of inweights' own scoring, updates or models is used here, so that agreement means something.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

Scores = list[list[float]]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
WAYS = ("down", "up")
AUTO = {
    "CAUSAL_LM": "AutoModelForCausalLM",
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "FEATURE_EXTRACTION": "AutoModel",
}


@torch.inference_mode()
def plain_scores(folder: Path, base: str) -> Scores:
    """One row for each check in the folder's `inweights.json`; `base`: hub name or folder of the base model."""
    said = json.loads((folder / "inweights.json").read_text(encoding="utf-8"))
    readout = said["readout"]
    model = _model(folder, said, base).to("cuda" if torch.cuda.is_available() else "cpu").eval()
    members = readout.get("members", [readout])
    tokenizer = _tokenizer(str(folder) if said["form"] == "model" else base, members[0]["prompt"])
    rows = []
    for check in said["checks"]:
        if readout["kind"] == "head":
            scores = _head(folder, model, tokenizer, readout, check["texts"][0])
        else:
            each = [_words(model, tokenizer, *pair) for pair in zip(members, check["texts"], strict=True)]
            scores = each[0] if len(each) == 1 else torch.stack([one.log_softmax(-1) for one in each]).mean(0)
        rows.append(scores.tolist())
    return rows


@torch.inference_mode()
def plain_next_tokens(
    base: str, adapter: str | None, dtype: str, inputs: Sequence[Sequence[int]], tokens: Sequence[Sequence[int]]
) -> Scores:
    """Log-probabilities of `tokens` as the next ones after each of `inputs`, token ids both."""
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=DTYPES[dtype])
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    rows = []
    for ids, wanted in zip(inputs, tokens, strict=True):
        logits = model(input_ids=torch.tensor([list(ids)], device=model.device)).logits[0, -1]
        rows.append(logits.float().log_softmax(-1)[list(wanted)].tolist())
    return rows


def _tokenizer(name: str, prompt: dict[str, Any]) -> Any:
    """What fields hold is text, whatever control tokens it spells, unless the pattern has control tokens of its own."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(name, split_special_tokens=not holds_control_tokens(prompt))


def holds_control_tokens(prompt: Mapping[str, Any]) -> bool:
    parts = ("pattern", "answer_prefix", "separator")
    return bool(prompt.get("chat")) or any(mark in prompt[part] for part in parts for mark in ("<", "[INST"))


def _model(folder: Path, said: dict[str, Any], base: str) -> Any:
    import transformers

    task_type = said["readout"]["task_type"]
    auto = getattr(transformers, AUTO[task_type])
    options: dict[str, Any] = {"dtype": DTYPES[said["base"]["dtype"]]}
    if said["form"] == "model":
        return auto.from_pretrained(folder, **options)
    if task_type == "SEQ_CLS":
        options["num_labels"] = len(said["readout"]["prompt"]["labels"])
    backbone = auto.from_pretrained(base, **options)
    if said["form"] == "prompt-pack":
        return backbone
    if not said["update"]["peft"]:
        return _with_bottlenecks(backbone, folder / said["update"]["file"], said["update"]["settings"]["activation"])
    from peft import PeftModel

    return PeftModel.from_pretrained(backbone, str(folder))


def _with_bottlenecks(model: Any, path: Path, activation: str) -> Any:
    """h + U f(D h + d) + u behind every layer that the file names."""
    from safetensors.torch import load_file

    tensors = load_file(path)
    model.load_state_dict(tensors, strict=False)  # the head of a classifier
    linear, f = torch.nn.functional.linear, getattr(torch.nn.functional, activation)

    def hook(name: str) -> Any:
        def add(module: Any, inputs: Any, h: Tensor) -> Tensor:
            down, up = ([tensors[f"{name}.adapter.{way}.{of}"].to(h.device) for of in ("weight", "bias")] for way in WAYS)
            return h + linear(f(linear(h.float(), *down)), *up).to(h.dtype)

        return add

    for name in {key.partition(".adapter.")[0] for key in tensors if ".adapter." in key}:
        model.get_submodule(name).register_forward_hook(hook(name))
    return model


def _head(folder: Path, model: Any, tokenizer: Any, readout: dict[str, Any], text: str) -> Tensor:
    output = model(**tokenizer(text, return_tensors="pt").to(model.device))
    if readout["task_type"] == "SEQ_CLS":
        return cast(Tensor, output.logits[0].float().cpu())
    from safetensors.torch import load_file

    head = load_file(folder / "head.safetensors")
    states = output.last_hidden_state[0].float().cpu()
    summary = {"first": states[0], "last": states[-1], "mean": states.mean(0)}[readout["pooling"]]
    return torch.nn.functional.linear(summary, head["score.weight"], head.get("score.bias"))


def _words(model: Any, tokenizer: Any, member: dict[str, Any], text: str) -> Tensor:
    prompt = member["prompt"]
    gap = "" if prompt.get("chat") else " "
    words = [gap + word + member["suffix"] for word in prompt["verbalizer"]]
    scores = _label_words(model, tokenizer, text, words)
    return scores - torch.tensor(member["offsets"]) if member["offsets"] else scores


def _label_words(model: Any, tokenizer: Any, text: str, words: list[str]) -> Tensor:
    """log p(word | text) for each word, as what the word adds to the tokens of the text."""
    front = tokenizer(text)["input_ids"]
    scores = []
    for word in words:
        whole = tokenizer(text + word)["input_ids"]
        common = next((i for i, (a, b) in enumerate(zip(front, whole, strict=False)) if a != b), len(front))
        logits = model(input_ids=torch.tensor([whole], device=model.device)).logits[0]
        log_probs = logits[-len(whole) :].float().log_softmax(-1)  # PEFT's virtual tokens give logits, too
        scores.append(sum(log_probs[place - 1, whole[place]] for place in range(common, len(whole))))
    return torch.tensor(scores)
