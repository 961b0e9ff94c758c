"""TRL's self-distillation (SDFT) set to the same work: one answer position, KL(teacher || student) over all tokens.

It samples a completion in every step; of one token, since at the prompt's end its logits do not depend on it. That
sampling is the trainer's way and is in its time.
"""

import warnings
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.trainer import Trained
from inweights.training import Schedule


def sdft() -> Any:
    """The library, which says at import that this part of it is experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from trl.experimental import sdft
    return sdft


def self_distillation(
    student: Trained, tokenizer: Any, context: str, batches: Sequence[Sequence[str]], schedule: Schedule
) -> list[float]:
    """The loss of every step; the teacher is the student with its adapter off, behind `context`."""
    from datasets import Dataset
    from transformers import PrinterCallback

    library = sdft()
    losses: list[torch.Tensor] = []

    class Noted(library.SDFTTrainer):
        def compute_loss(self, *arguments: Any, **options: Any) -> Any:
            loss = super().compute_loss(*arguments, **options)
            losses.append(loss.detach())
            return loss

    [parameters] = student.rates.values()
    optimizer = torch.optim.AdamW(parameters, lr=schedule.lr, weight_decay=0.0, fused=True)
    constant = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    rows = [{"prompt": text, "privileged_context": context} for batch in batches for text in batch]
    cuda = torch.cuda.is_available()
    with TemporaryDirectory() as place:
        settings = library.SDFTConfig(
            output_dir=place,
            per_device_train_batch_size=schedule.batch_size,
            gradient_accumulation_steps=1,
            max_steps=len(batches),
            max_grad_norm=schedule.clip_norm,
            num_generations=1,
            max_completion_length=1,
            max_prompt_length=None,
            shuffle_dataset=False,
            teacher_model_kind="base",
            teacher_prompt_template="{privileged_context}{prompt}",
            distillation_mode="full_logits",
            distillation_alpha=0.0,
            distillation_is_clip=None,
            gradient_checkpointing=False,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            use_cpu=not cuda,
            bf16=cuda,
        )
        trainer = Noted(
            model=student.module,
            args=settings,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            optimizers=(optimizer, constant),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return torch.stack(losses).tolist()
