"""The peer of fine-tuning: transformers' Trainer on the same batches, with PEFT where the update is LoRA.

On a GPU it does what ours does there: frozen weights in bf16, those that train in fp32, products in bf16 (autocast).
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from inweights.training import Schedule
from inweights.types import Example, Prompt, Shots
from inweights.updates import LoRA

Row = dict[str, list[int]]


@dataclass(frozen=True)
class Trained:
    """A transformers model that is ready to train."""

    module: Any
    rates: Mapping[float, list[nn.Parameter]]
    """What trains, by the factor on its learning rate."""


def trained(module: Any, parameters: Mapping[str, Tensor], scales: Mapping[str, float]) -> Trained:
    """The parameters of those names train, and no other. `scales`: factors on the learning rate of some."""
    module.requires_grad_(False)
    rates: dict[float, list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if name in parameters:
            parameter.data = parameter.data.float()
            rates.setdefault(scales.get(name, 1.0), []).append(parameter.requires_grad_())
    assert sum(map(len, rates.values())) == len(parameters)
    return Trained(module, rates)


def with_peft(module: Any, update: LoRA, start: Mapping[str, Tensor]) -> Trained:
    """PEFT's LoRA on every linear layer but the head, begun at our A, so that losses can be compared step by step."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=update.rank, lora_alpha=update.alpha, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    adapted = get_peft_model(module, config)
    theirs = {
        name.removeprefix("base_model.model.").replace(".default.", "."): parameter
        for name, parameter in adapted.named_parameters()
        if parameter.requires_grad
    }
    assert set(theirs) == set(start), "PEFT and inweights put their LoRA on different layers"
    for name, parameter in theirs.items():
        parameter.data.copy_(start[name])
    return Trained(adapted, {1.0: list(theirs.values())})


def rows_of(tokenizer: Any, prompt: Prompt, shots: Shots, schedule: Schedule) -> list[Row]:
    """Every example with its answer, in the order of our batches over all epochs; only the answer has a loss."""
    rng = random.Random(shots.seeds.order)
    # The last batch of an epoch would be smaller, and Trainer would fill it from the next epoch.
    assert len(shots.labelled) % schedule.batch_size == 0
    epochs = [rng.sample(range(len(shots.labelled)), len(shots.labelled)) for _ in range(schedule.epochs)]
    rows = [_row(tokenizer, prompt, example) for example in shots.labelled]
    return [rows[index] for epoch in epochs for index in epoch]


def _row(tokenizer: Any, prompt: Prompt, example: Example) -> Row:
    body = tokenizer(prompt.body(example))["input_ids"]
    ids = tokenizer(prompt.answered(example))["input_ids"]
    assert ids[:-1] == body, "a label word of several tokens"
    return {"input_ids": ids, "labels": [-100] * len(body) + ids[len(body) :]}


@cache
def warm_up() -> None:
    """One step of a tiny model: what is imported and built at the first use of Trainer is no part of training."""
    from transformers import AutoConfig, AutoModelForCausalLM

    size = {"hidden_size": 8, "ffn_dim": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 8}
    module = AutoModelForCausalLM.from_config(AutoConfig.for_model("opt", word_embed_proj_dim=8, **size))
    row = {"input_ids": [2, 5], "labels": [-100, 5]}
    train(trained(module, dict(module.named_parameters()), {}), [row], Schedule(batch_size=1))


def train(ready: Trained, rows: Sequence[Row], schedule: Schedule) -> list[float]:
    """The loss of every step of one pass over `rows`, in their order."""
    from torch.utils.data import SequentialSampler
    from transformers import PrinterCallback, Trainer, TrainingArguments

    losses: list[Tensor] = []

    class InOrder(Trainer):
        def _get_train_sampler(self, *_: Any) -> SequentialSampler:
            return SequentialSampler(rows)

        def compute_loss(self, *arguments: Any, **options: Any) -> Any:
            loss = super().compute_loss(*arguments, **options)
            losses.append(loss.detach())
            return loss

    groups = [{"params": group, "lr": schedule.lr * scale} for scale, group in ready.rates.items()]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0, fused=True)
    cuda = torch.cuda.is_available()
    with TemporaryDirectory() as place:
        settings = TrainingArguments(
            output_dir=place,
            per_device_train_batch_size=schedule.batch_size,
            num_train_epochs=1,
            max_grad_norm=schedule.clip_norm,
            logging_strategy="no",
            save_strategy="no",
            eval_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            remove_unused_columns=False,
            use_cpu=not cuda,
            bf16=cuda,
        )
        constant = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
        trainer = InOrder(
            ready.module, settings, data_collator=_padded, train_dataset=list(rows), optimizers=(optimizer, constant)
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return torch.stack(losses).tolist()


def _padded(rows: Sequence[Row]) -> dict[str, Tensor]:
    """To the longest of the batch."""
    longest = max(len(row["input_ids"]) for row in rows)

    def table(name: str, fill: int) -> Tensor:
        return torch.tensor([row[name] + [fill] * (longest - len(row[name])) for row in rows])

    mask = [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows]
    return {"input_ids": table("input_ids", 1), "labels": table("labels", -100), "attention_mask": torch.tensor(mask)}
