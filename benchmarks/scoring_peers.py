"""How others score label words behind demonstrations: transformers with whole prompts, and lm-eval."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from inweights.types import Example, Prompt

BATCH = 8


@torch.no_grad()
def whole_prompts(
    module: Any, tokenizer: Any, prompt: Prompt, examples: Sequence[Example], context: str, *, last_logits_only: bool
) -> Tensor:
    """Log-probability of every label word (of one token), every prompt read whole, in padded batches."""
    words = [tokenizer(f" {word}", add_special_tokens=False)["input_ids"] for word in prompt.verbalizer]
    assert all(len(word) == 1 for word in words), "label words of several tokens"
    labels = [word[0] for word in words]
    texts = [context + prompt.body(example) for example in examples]
    kept = {"logits_to_keep": 1} if last_logits_only else {}
    out = []
    for start in range(0, len(texts), BATCH):
        # Padded at the left, so that every prompt ends at the last position.
        batch = tokenizer(texts[start : start + BATCH], padding=True, padding_side="left", return_tensors="pt")
        inputs = {name: batch[name].to(module.device) for name in ("input_ids", "attention_mask")}
        logits = module(**inputs, **kept).logits[:, -1]
        out.append(logits.float().log_softmax(-1)[:, labels])
    return torch.cat(out)


def harness(module: Any, tokenizer: Any) -> Any:
    """lm-eval around a model in memory."""
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=module, tokenizer=tokenizer, batch_size=BATCH, add_bos_token=True)


def lm_eval_scores(asked: Any, prompt: Prompt, examples: Sequence[Example], context: str) -> Tensor:
    """`asked`: what `harness` made."""
    from lm_eval.api.instance import Instance

    pairs = [(context + prompt.body(example), f" {word}") for example in examples for word in prompt.verbalizer]
    requests = [
        Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=index) for index, pair in enumerate(pairs)
    ]
    found = asked.loglikelihood(requests, disable_tqdm=True)
    return torch.tensor([score for score, _ in found]).view(len(examples), -1)
