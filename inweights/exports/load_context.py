"""A learned context as a folder in PEFT's format, and as a model again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inweights import cards, models
from inweights.cache import digest
from inweights.context.other_model import tokens_of
from inweights.context.prefix import prefix_of
from inweights.context.template import Template
from inweights.context.train import LearnedContext
from inweights.engine.learned_prefix import LearnedPrefix
from inweights.engine.trees import Tree
from inweights.exports import context_card
from inweights.exports.context_card import ContextCard, NextTokens
from inweights.exports.whole_model import write_model
from inweights.models.base import Backbone
from inweights.models.digest import weights_digest
from inweights.types import UserError
from inweights.updates import Adapted, LoRA
from inweights.updates.peft_format import Target
from inweights.updates.prefix import cartridge, keys_and_values


@dataclass(frozen=True)
class LoadedContext:
    """A learned context loaded again."""

    learned: LearnedContext
    base: Backbone
    template: Template
    card: ContextCard


def tokenizer_digest(model: Backbone) -> str:
    return digest(tokens_of(model))[:16]


def chat_template(model: Backbone) -> str:
    """Its digest, as it is written: filled in, it may hold the date. Empty where there is none."""
    text = model.chat_template
    return digest(text)[:16] if text else ""


def write_form(
    form: str, learned: LearnedContext, base: Backbone, folder: Path, place: str, settings: Mapping[str, Any]
) -> None:
    """PEFT's files of a LoRA or a cartridge, or the whole weights with the LoRA merged in."""
    folder.mkdir(exist_ok=True)
    tensors = {name: each.detach().cpu() for name, each in learned.adapted.parameters.items()}
    lora, target = LoRA(settings["rank"], settings["alpha"]), Target(base, place)
    if form == "lora":
        lora.stored(tensors, target).write(folder)
    elif form == "kv":
        prefix = next(patch for patch in learned.model.patches if isinstance(patch, LearnedPrefix))
        cartridge(prefix, target).write(folder)
    else:
        shared = dict(base.module.named_parameters())
        deltas = lora.deltas(base, learned.adapted.parameters)
        merged = {name: (shared[name].float() + delta.to(shared[name].device)).cpu() for name, delta in deltas.items()}
        write_model(folder, base, merged, (), "CAUSAL_LM")


def load(folder: Path | str, model: str | None = None, form: str | None = None, device: str | None = None) -> LoadedContext:
    """Raises UserError where the folder is not whole, or base, tokenizer or template are not those it was learned with."""
    folder = Path(folder)
    card = context_card.read(folder)
    chosen = form or card.forms[0]
    if chosen not in card.forms:
        raise UserError(f"{folder} holds {', '.join(card.forms)}, not {chosen}: learn it again with --as {chosen}")
    place = card.folder_of(chosen, folder)
    if chosen == "merged":
        if model is not None:
            raise UserError(f"{folder} holds its own weights: leave --model out")
        base = models.load(str(place), card.base.dtype, device)
        _same_text(card, base, folder)
        return LoadedContext(LearnedContext(Adapted(base, {}), 0), base, Template(**card.template), card)
    base = models.load(model or card.base.name, card.base.dtype, device)
    if weights_digest(base.module) != card.base.weights:
        raise UserError(
            f"{base.card.name} is not the model {folder} was learned with ({card.base.name}, {card.base.architecture}, "
            f"weights {card.base.weights}): give that one with --model"
        )
    _same_text(card, base, folder)
    learned = _lora(place, base, card) if chosen == "lora" else _cartridge(place, base)
    return LoadedContext(learned, base, Template(**card.template), card)


def _same_text(card: ContextCard, base: Backbone, folder: Path) -> None:
    if tokenizer_digest(base) != card.base.tokenizer:
        raise UserError(
            f"the tokenizer of {base.card.name} is not the one {folder} was learned with: take the model as it was"
        )
    if card.settings.get("chat_template") not in ("", chat_template(base)):
        raise UserError(f"the chat template of {base.card.name} is not the one {folder} was learned with: take it as it was")
    if Template(**card.template).digest != card.template_digest:
        raise UserError(f"the template in {folder / cards.CONTEXT_CARD} was changed: copy the folder again")


def _lora(folder: Path, base: Backbone, card: ContextCard) -> LearnedContext:
    lora = LoRA(int(card.settings["rank"]), float(card.settings["alpha"]))
    adapted = lora.apply(base, 0)
    values = lora.restored(_tensors(folder), adapted)
    for name, parameter in adapted.parameters.items():
        parameter.data.copy_(values[name])
    return LearnedContext(adapted, 0)


def _cartridge(folder: Path, base: Backbone) -> LearnedContext:
    like = base.prefix(base.encode(["a"])[0])
    found = keys_and_values(_tensors(folder), len(like.keys), like.keys[0].shape[0])
    device = base.device
    keys, values = ([each.to(device) for each in tables] for tables in found)
    return LearnedContext(prefix_of(keys, values, base), len(base.encode([""])[0]))


def _tensors(folder: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(folder / "adapter_model.safetensors")
    except Exception as error:
        raise UserError(f"{folder / 'adapter_model.safetensors'} cannot be read ({error}): copy the folder again") from error
    return found


@torch.no_grad()
def likeliest(learned: LearnedContext, prompt: Sequence[int], count: int = 5) -> NextTokens:
    """The likeliest first tokens of an answer to a question in tokens, with their log-probabilities."""
    top = learned.model.next_token_logits([Tree(tuple(prompt))]).log_softmax(-1)[0].topk(count)
    return NextTokens(tuple(prompt), tuple(top.indices.tolist()), tuple(top.values.tolist()))


@torch.no_grad()
def next_token_scores(
    learned: LearnedContext, prompts: Sequence[Sequence[int]], tokens: Sequence[Sequence[int]]
) -> list[list[float]]:
    """Log-probabilities of `tokens` as the first of an answer to each question, token ids both."""
    rows = [learned.model.next_token_logits([Tree(tuple(ids))])[0].log_softmax(-1) for ids in prompts]
    return [row[list(wanted)].tolist() for row, wanted in zip(rows, tokens, strict=True)]
