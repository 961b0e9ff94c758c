"""A whole study on a pretrained model, beside the same done by a script with transformers, Trainer and PEFT.

Eight methods, three draws of 16 shots, SST-2, 100 + 100 examples. The script's cost is measured on one draw, and there on
an eighth of the inputs and a fifth of the epochs, and multiplied: each draw, input and epoch costs it as much as the next.
It trains for as many epochs as inweights does at most. A second row holds `plan` beside what the study took.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from benchmarks.bench import Benchmark, Goal, Options, Row, timed
from benchmarks.real import BATCH, SHOTS, sentiment, shapes
from benchmarks.scoring_peers import whole_prompts
from benchmarks.shapes import ModelShape
from benchmarks.trainer import Trained, rows_of, train, warm_up
from inweights.study import compare
from inweights.study.draw import draw
from inweights.study.forecast import forecast
from inweights.training import Schedule
from inweights.types import Example, Prompt, Shots, Task

METHODS = ("zero-shot", "icl", "icl+batch", "pbft", "pbft+lora", "pbft+ia3", "pbft+prefix", "pbft+prompt")
SEEDS, EXAMPLES, EPOCHS = 3, 100, 20
MEASURED_EPOCHS, MEASURED_INPUTS = 4, 8
"""Of the script: so many epochs, and one input of so many."""
UNIT = "seconds for the study"


def study(options: Options, goal: Goal) -> list[Row]:
    asked, shape = sentiment(options), shapes(options)[0]
    limit = 8 if options.quick else EXAMPLES
    sets = [example for split in asked.evaluation.values() for example in split.load()[:limit]]
    script = _script(shape, asked, sets, options)
    given: dict[str, Any] = {"shots": [SHOTS], "seeds": SEEDS, "limit": limit, "data": str(options.data)}
    given |= {"steps": 2} if options.quick else {}
    with TemporaryDirectory() as place:
        planned = compare(str(shape.place), "sst2", list(METHODS), out=Path(place) / "plan", dry_run=True, **given)
        predicted = sum(each.estimate.seconds for each in forecast(planned))
        done = timed(lambda: compare(str(shape.place), "sst2", list(METHODS), out=Path(place) / "study", **given))
        wrong = [each.reason for each in done.result.records if each.status != "ok"]
    assert not wrong, wrong
    spent = SEEDS * sum(script.values())
    more = {"methods": list(METHODS), "seeds": SEEDS, "shots": SHOTS, "examples": len(sets), "peer_seconds": script}
    error = max(predicted / done.seconds, done.seconds / predicted)
    return [
        Row(shape.name, done.seconds, spent, UNIT, spent / done.seconds, goal.here, goal.better, 1, more),
        Row(shape.name, predicted, done.seconds, UNIT, error, 1.25, "lower", 1, {"variant": "plan"}),
    ]


def _script(shape: ModelShape, asked: Task, sets: Sequence[Example], options: Options) -> dict[str, float]:
    """Seconds that each method takes for one draw, the model loaded for each as a script would."""
    prompt, shots, tokenizer = asked.prompt, draw(asked, SHOTS, seed=0), shape.tokenizer()
    warm_up()
    spent = {}
    for name in METHODS:
        loaded = timed(shape.theirs)
        module, seconds = loaded.result, loaded.seconds
        context = prompt.context(shots.labelled) if name.startswith("icl") else ""
        if name.startswith("pbft"):
            tuned = timed(lambda: _tuned(module, name.partition("+")[2], tokenizer, prompt, shots, options))  # noqa: B023
            module, seconds = tuned.result, seconds + tuned.seconds * (1 if options.quick else EPOCHS / MEASURED_EPOCHS)
        # Batch calibration scores 64 more inputs.
        inputs = [*sets, *(shots.unlabelled[:64] if name == "icl+batch" else ())]
        some = inputs[::MEASURED_INPUTS]
        scored = timed(lambda: _scored(module, tokenizer, prompt, some, context))  # noqa: B023
        spent[name] = seconds + scored.seconds * len(inputs) / len(some)
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
    schedule = Schedule(lr=1e-3, epochs=1 if options.quick else MEASURED_EPOCHS, batch_size=8, warmup=0.0, decay="constant")
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
