"""Hand out a fitted method as a folder of the ecosystem's formats, whole and proven, or not at all."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inweights.exports import card
from inweights.exports import manifest as manifests
from inweights.exports.adapter import (
    inner_prefix,
    write_biases,
    write_bottlenecks,
    write_lora,
    write_prefix,
    write_prompt,
    write_scales,
)
from inweights.exports.card import About
from inweights.exports.loading_code import loading_code
from inweights.exports.manifest import Check, Form, Manifest, base_of, place_of
from inweights.exports.prompt_pack import write_pack
from inweights.exports.readout_values import texts, to_values
from inweights.exports.staging import staged
from inweights.exports.verify import Verification, verify
from inweights.exports.whole_model import write_model
from inweights.methods import Fitted
from inweights.models.base import LanguageModel
from inweights.settings import settings
from inweights.types import Example, UserError
from inweights.updates import IA3, Adapter, LoRA, PrefixTuning, PromptTuning


def export(fitted: Fitted, folder: Path, checks: Sequence[Example], about: About | None = None) -> Verification:
    """Write `folder`, load it in a fresh process, and compare the scores of `checks` before it gets its name.

    Raises RejectedError where they differ, UserError where `folder` is not free; nothing is left behind then.
    """
    with staged(folder) as filling:
        write(fitted, filling, checks, about or About())
        return verify(filling)


def write(fitted: Fitted, folder: Path, checks: Sequence[Example], about: About) -> None:
    """The files alone, into an empty folder."""
    checks = [each for each in checks if not fitted.readout.fallbacks([each])]
    if not checks:
        raise UserError("a hand-out needs an example or more to be checked on, short enough to be read whole")
    model, readout = fitted.readout.model, to_values(fitted.readout)
    form = _form(fitted)
    trained = {name: tensor.detach().cpu() for name, tensor in fitted.trained.items()}
    if form == "prompt-pack":
        write_pack(folder, readout)
    elif form == "adapter":
        _write_adapter(folder, fitted, trained, readout["task_type"])
    else:
        write_model(folder, model, trained, fitted.readout.prompt.labels, readout["task_type"])
    if readout["task_type"] == "FEATURE_EXTRACTION":
        _write_head(folder, trained)
    update = {"name": fitted.update.name, "settings": settings(fitted.update)} if fitted.update else None
    made = Manifest(
        form=form,
        base=base_of(model, tokenizer_digest(model, checks)),
        readout=readout,
        checks=_checks(fitted, checks),
        method=about.method,
        settings=about.settings,
        update=update if form == "adapter" else None,
        files=manifests.digests(folder),
    )
    manifests.write(made, folder)
    card.write(folder, made, about, loading_code(made))


def _form(fitted: Fitted) -> Form:
    if not fitted.trained:
        return "prompt-pack"
    name = fitted.update.name if fitted.update else ""
    return "adapter" if name in ("lora", "bitfit", "frozen", "ia3", "prefix", "prompt", "adapter") else "model"


def _write_adapter(folder: Path, fitted: Fitted, trained: Mapping[str, Tensor], task_type: str) -> None:
    model = fitted.readout.model
    root: Any = model.module
    if task_type == "FEATURE_EXTRACTION":
        root = root.base_model
        prefix = inner_prefix(model.module)
        trained = {name.removeprefix(prefix): tensor for name, tensor in trained.items() if not name.startswith("score.")}
    if task_type != "CAUSAL_LM" and isinstance(fitted.update, PrefixTuning | PromptTuning):
        raise UserError(
            f"a head behind a learnt {fitted.update.name} has no form that PEFT reads: hand out pbft+{fitted.update.name}"
        )
    common = {
        "task_type": task_type,
        "base_model_name_or_path": place_of(model.card.name),
        "modules_to_save": ["score"] if task_type == "SEQ_CLS" else None,
    }
    if isinstance(fitted.update, LoRA):
        write_lora(folder, root, trained, fitted.update.alpha, common)
    elif isinstance(fitted.update, IA3):
        write_scales(folder, root, trained, fitted.update, common)
    elif isinstance(fitted.update, PrefixTuning):
        write_prefix(folder, root, trained, common)
    elif isinstance(fitted.update, PromptTuning):
        write_prompt(folder, model, trained, common)
    elif isinstance(fitted.update, Adapter):
        write_bottlenecks(folder, trained)
    else:
        write_biases(folder, root, trained, common)


def _write_head(folder: Path, trained: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save_file

    head = {name: tensor.clone() for name, tensor in trained.items() if name.startswith("score.")}
    save_file(head, folder / "head.safetensors", metadata={"format": "pt"})


def tokenizer_digest(model: LanguageModel, checks: Sequence[Example]) -> str:
    """SHA-256 of the token ids of the checks' fields: other tokens, other scores. 16 hexadecimal digits."""
    ids = model.encode([text for each in checks for text in each.fields.values()])
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:16]


@torch.no_grad()
def _checks(fitted: Fitted, examples: Sequence[Example]) -> tuple[Check, ...]:
    scores = fitted.readout(examples).tolist()
    return tuple(
        Check(example, texts(fitted.readout, example), tuple(row)) for example, row in zip(examples, scores, strict=True)
    )
