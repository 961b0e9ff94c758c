"""Export a fitted method as a folder of the ecosystem's formats, whole and proven, or not at all."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inweights.cards import digests
from inweights.exports import card
from inweights.exports import manifest as manifests
from inweights.exports.card import About
from inweights.exports.loading_code import loading_code
from inweights.exports.manifest import Check, Form, Manifest, UpdateValues, base_of, place_of
from inweights.exports.readout_values import prompt_of, texts, to_values
from inweights.exports.staging import staged
from inweights.exports.verify import Verification, verify
from inweights.exports.whole_model import write_model
from inweights.methods import Fitted
from inweights.models.base import Backbone
from inweights.plain_text import without_marks
from inweights.settings import settings
from inweights.types import Example, UserError
from inweights.updates import Update
from inweights.updates.peft_format import Stored, Target


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
        raise UserError("an export needs at least one example to be verified on that fits the context window whole")
    model, readout = fitted.readout.model, to_values(fitted.readout)
    target = Target(model, place_of(model.card.name), readout["task_type"])
    trained = {name: tensor.detach().cpu() for name, tensor in fitted.trained.items()}
    stored = _stored(fitted, trained, target)
    form: Form = "adapter" if stored else "model" if trained else "prompt-pack"
    if stored:
        stored.write(folder)
    elif trained:
        write_model(folder, model, _weights(fitted, trained), fitted.readout.prompt.labels, target.task_type)
    else:
        write_pack(folder, readout)
    if target.task_type == "FEATURE_EXTRACTION":
        _write_head(folder, trained)
    made = Manifest(
        form=form,
        base=base_of(model, tokenizer_digest(model, checks)),
        readout=readout,
        checks=_checks(fitted, checks),
        method=about.method,
        settings=about.settings,
        update=_update(fitted.update, stored) if stored and fitted.update else None,
        files=digests(folder),
    )
    manifests.write(made, folder)
    card.write(folder, made, about, loading_code(made))


def _stored(fitted: Fitted, trained: Mapping[str, Tensor], target: Target) -> Stored | None:
    if not trained or fitted.update is None:
        return None
    if target.task_type == "FEATURE_EXTRACTION":  # the base model alone, without an LM head around it; its head is apart
        trained = {name: each for name, each in trained.items() if not name.startswith("score.")}
    return fitted.update.stored({name.removeprefix(target.prefix): each for name, each in trained.items()}, target)


def _update(update: Update, stored: Stored) -> UpdateValues:
    return UpdateValues(update.name, settings(update), stored.file, update.peft, update.limits)


def _weights(fitted: Fitted, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What an update replaces in a whole model, and what it adds merged into the weights it is added to."""
    shared = dict(fitted.readout.model.module.named_parameters())
    added = (fitted.update.deltas(fitted.readout.model, trained) if fitted.update else {}) or {}
    merged = {name: shared[name].detach().float().cpu() + each.cpu() for name, each in added.items() if name not in trained}
    lost = [name for name in trained if name not in shared and not name.startswith("score.")]
    if lost and not merged:
        assert fitted.update is not None
        raise UserError(
            f"the update {fitted.update.name} merges into no weights and has no file format: it cannot be exported"
        )
    return {**trained, **merged}


def _write_head(folder: Path, trained: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save_file

    head = {name: tensor.clone() for name, tensor in trained.items() if name.startswith("score.")}
    save_file(head, folder / "head.safetensors", metadata={"format": "pt"})


def tokenizer_digest(model: Backbone, checks: Sequence[Example]) -> str:
    """SHA-256 of the token ids of the checks' fields: other tokens, other scores. 16 hexadecimal digits."""
    ids = model.encode([text for each in checks for text in each.fields.values()])
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:16]


@torch.no_grad()
def _checks(fitted: Fitted, examples: Sequence[Example]) -> tuple[Check, ...]:
    scores = fitted.readout(examples).tolist()
    return tuple(
        Check(example, texts(fitted.readout, example), tuple(row)) for example, row in zip(examples, scores, strict=True)
    )


def write_pack(folder: Path, readout: Mapping[str, Any]) -> None:
    """`prompt_pack.json`, and `prompt.txt` for each member of an ensemble, with `{field}`s to fill in."""
    pack = json.dumps(readout, ensure_ascii=False, indent=1) + "\n"
    (folder / "prompt_pack.json").write_text(pack, encoding="utf-8")
    members = readout.get("members", [readout])
    for number, member in enumerate(members, start=1):
        name = "prompt.txt" if len(members) == 1 else f"prompt-{number}.txt"
        (folder / name).write_text(_text(member), encoding="utf-8")


def _text(member: Mapping[str, Any]) -> str:
    prompt = prompt_of(member)
    blank = Example({field: f"{{{field}}}" for field in prompt.field_names})
    shown = [Example(**each) for each in member["demonstrations"]]
    return without_marks(prompt.context(shown) + prompt.body(blank))
