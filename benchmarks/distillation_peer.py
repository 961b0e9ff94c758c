"""How context distillation is usually written: two models, and the teacher reads the whole prompt again in every step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.trainer import Trained
from inweights.training import Schedule

TOP = 50


@dataclass(frozen=True)
class Losses:
    """One of each for every step."""

    vocabulary: list[float]
    """KL(teacher || student) over all tokens, which is what is trained."""
    top: list[float]
    """The same over the teacher's likeliest 50 and one cell for the rest, to be compared alone."""


def two_models(
    teacher: Any, student: Trained, tokenizer: Any, context: str, batches: Sequence[Sequence[str]], schedule: Schedule
) -> Losses:
    """One step of AdamW for each batch of prompts; `context` stands before those that the teacher reads."""
    [parameters] = student.rates.values()
    optimizer = torch.optim.AdamW(parameters, lr=schedule.lr, weight_decay=0.0, fused=True)
    student.module.train()
    losses = Losses([], [])
    for texts in batches:
        with torch.no_grad():
            told = _last(teacher, tokenizer, [context + text for text in texts])
        with torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_available()):
            said = _last(student.module, tokenizer, texts)
        loss = nn.functional.kl_div(said, told, reduction="batchmean", log_target=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, schedule.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        losses.vocabulary.append(loss.item())
        losses.top.append(_top(told, said.detach()))
    return losses


def _last(module: Any, tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """Log-probabilities behind the end of every text."""
    # Padded at the left, so that every text ends at the last position.
    batch = tokenizer(list(texts), padding=True, padding_side="left", return_tensors="pt")
    inputs = {name: batch[name].to(module.device) for name in ("input_ids", "attention_mask")}
    return module(**inputs).logits[:, -1].float().log_softmax(-1)


def _top(told: Tensor, said: Tensor) -> float:
    ids = told.topk(TOP, -1).indices
    p, q = (_with_rest(each.double().exp().gather(1, ids)) for each in (told, said))
    return float((p * (p.log() - q.log())).sum(-1).mean())


def _with_rest(mass: Tensor) -> Tensor:
    return torch.cat([mass, 1 - mass.sum(-1, keepdim=True)], -1)
