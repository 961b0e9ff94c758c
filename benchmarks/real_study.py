"""A whole study on a pretrained model, beside the same done by a script with transformers, Trainer and PEFT.

Eight methods, three draws of 16 shots, SST-2, 100 + 100 examples. The script's cost is measured on one draw and counted
three times: each draw costs it as much as the next.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from benchmarks.bench import Benchmark, Goal, Options, Row
from benchmarks.real import BATCH, SHOTS, sentiment, shapes
from benchmarks.scoring_peers import whole_prompts
from benchmarks.shapes import ModelShape
from benchmarks.trainer import Trained, rows_of, train, warm_up
from inweights.study import compare
from inweights.study.draw import draw
from inweights.training import Schedule
from inweights.types import Example, Prompt, Shots, Task

METHODS = ("zero-shot", "icl", "icl+batch", "pbft", "pbft+lora", "pbft+ia3", "pbft+prefix", "pbft+prompt")
SEEDS, EXAMPLES = 3, 100


def study(options: Options, goal: Goal) -> list[Row]:
    asked, shape = sentiment(options), shapes(options)[0]
    limit = 8 if options.quick else EXAMPLES
    sets = [example for split in asked.evaluation.values() for example in split.load()[:limit]]
    script = sum(_script(shape, asked, sets, options).values()) * SEEDS
    started = time.perf_counter()
    with TemporaryDirectory() as place:
        found = compare(
            str(shape.place),
            "sst2",
            list(METHODS),
            shots=[SHOTS],
            seeds=SEEDS,
            limit=limit,
            data=str(options.data),
            out=Path(place) / "study",
            **({"steps": 2} if options.quick else {}),
        )
        seconds = time.perf_counter() - started
        wrong = [each.reason for each in found.records if each.status != "ok"]
    assert not wrong, wrong
    more = {"methods": list(METHODS), "seeds": SEEDS, "shots": SHOTS, "examples": len(sets), "peer_measured_on_seeds": 1}
    ratio = script / seconds
    return [Row(shape.name, seconds, script, "seconds for the study", ratio, goal.here, goal.better, 1, more)]


def _script(shape: ModelShape, asked: Task, sets: Sequence[Example], options: Options) -> dict[str, float]:
    """Seconds that each method takes for one draw, the model loaded for each as a script would."""
    prompt, shots, tokenizer = asked.prompt, draw(asked, SHOTS, seed=0), shape.tokenizer()
    warm_up()
    spent = {}
    for name in METHODS:
        started = time.perf_counter()
        module = shape.theirs()
        context = prompt.context(shots.labelled) if name.startswith("icl") else ""
        if name.startswith("pbft"):
            module = _tuned(module, name.partition("+")[2], tokenizer, prompt, shots, options)
        # Batch calibration scores 64 more inputs.
        inputs = [*sets, *(shots.unlabelled[:64] if name == "icl+batch" else ())]
        _scored(module, tokenizer, prompt, inputs, context)
        spent[name] = time.perf_counter() - started
    return spent


def _tuned(module: Any, update: str, tokenizer: Any, prompt: Prompt, shots: Shots, options: Options) -> Any:
    from peft import IA3Config, LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model

    configs = {
        "lora": lambda: LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"),
        "ia3": lambda: IA3Config(task_type="CAUSAL_LM"),
        "prefix": lambda: PrefixTuningConfig(num_virtual_tokens=16, task_type="CAUSAL_LM"),
        "prompt": lambda: PromptTuningConfig(num_virtual_tokens=20, task_type="CAUSAL_LM"),
    }
    module = get_peft_model(module, configs[update]()) if update else module.requires_grad_(True)
    parameters: list[nn.Parameter] = [each for each in module.parameters() if each.requires_grad]
    schedule = Schedule(lr=1e-3, epochs=1 if options.quick else 20, batch_size=8, warmup=0.0, decay="constant")
    train(Trained(module, {1.0: parameters}), rows_of(tokenizer, prompt, shots, schedule), schedule)
    return module.eval()


@torch.no_grad()
def _scored(module: Any, tokenizer: Any, prompt: Prompt, inputs: Sequence[Example], context: str) -> None:
    for start in range(0, len(inputs), BATCH):
        whole_prompts(module, tokenizer, prompt, inputs[start : start + BATCH], context, last_logits_only=False)


BENCHMARKS = (
    Benchmark(
        "real-study",
        "eight methods, three draws of 16 shots on SST-2 with SmolLM2, beside a script with transformers and PEFT",
        Goal(8, 8),
        study,
        needs=("accelerate",),
    ),
)
