"""Scoring and LoRA steps on truly pretrained models (SST-2, 16 shots), beside transformers and Trainer with PEFT."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.bench import Benchmark, Goal, Options, Row, Timed, compared, in_turns, same, timed
from benchmarks.finetune import RATES, Run, steady
from benchmarks.scoring_peers import whole_prompts
from benchmarks.shapes import ModelShape, tolerance
from benchmarks.trainer import warm_up
from inweights.models.base import Backbone
from inweights.scoring import label_scores
from inweights.study.draw import draw
from inweights.tasks import task
from inweights.types import Example, Prompt, Shots, Task, UserError
from inweights.updates import LoRA

MODELS = ("smollm2-135m-instruct", "gemma-3-270m")
SHOTS, QUERIES, BATCH = 16, 96, 8
UNIT = "seconds per query"


def shapes(options: Options) -> list[ModelShape]:
    """The real models of the folder that was given. Raises UserError where there is none."""
    found = [
        ModelShape(name, options.models / name) for name in MODELS if options.models and (options.models / name).is_dir()
    ]
    if not found:
        raise UserError(f"expected --models DIR with {' and '.join(MODELS)} in it")
    return found


def sentiment(options: Options) -> Task:
    """SST-2, which `--data` has to hold. Raises UserError where it does not."""
    if options.data is None:
        raise UserError("expected --data DIR with sst2/ in it")
    return task("sst2", Path(options.data))


@dataclass(frozen=True)
class Scoring:
    """One model, 16 demonstrations and the queries behind them."""

    shape: ModelShape
    model: Backbone
    prompt: Prompt
    shots: Shots
    queries: Sequence[Example]

    @cached_property
    def context(self) -> str:
        return self.prompt.context(self.shots.labelled)

    @cached_property
    def peer(self) -> Any:
        return self.shape.theirs()

    @cached_property
    def tokenizer(self) -> Any:
        return self.shape.tokenizer()

    @torch.no_grad()
    def ours(self, context: str) -> Tensor:
        return label_scores(self.model, self.prompt, self.queries, context)

    def whole(self, few: int) -> Tensor:
        asked = self.queries[:few]
        return whole_prompts(self.peer, self.tokenizer, self.prompt, asked, self.context, last_logits_only=True)

    @torch.no_grad()
    def copied_cache(self) -> Tensor:
        """transformers with the demonstrations' keys and values computed once and copied for every batch of queries."""
        words = [self.tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0] for word in self.prompt.verbalizer]
        ids = self.tokenizer(self.context)["input_ids"][:-1]
        cache = self.peer(torch.tensor([ids]), use_cache=True, logits_to_keep=1).past_key_values
        out = []
        for start in range(0, len(self.queries), BATCH):
            texts = [self.context + self.prompt.body(each) for each in self.queries[start : start + BATCH]]
            # Tokens of the whole text: a query may merge with what stands in front of it.
            rows = [self.tokenizer(text)["input_ids"][len(ids) :] for text in texts]
            longest = max(map(len, rows))
            own = copy.deepcopy(cache)
            own.batch_repeat_interleave(len(rows))
            padded = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
            mask = torch.tensor([[1] * (len(ids) + len(row)) + [0] * (longest - len(row)) for row in rows])
            logits = self.peer(padded, attention_mask=mask, past_key_values=own).logits
            last = torch.stack([row[len(each) - 1] for row, each in zip(logits, rows, strict=True)])
            out.append(last.float().log_softmax(-1)[:, words])
        return torch.cat(out)


def scoring(options: Options, goal: Goal) -> list[Row]:
    """Beside whole prompts (which answer a few), beside a copied cache, and beside our own zero-shot."""
    asked = sentiment(options)
    rows = []
    for shape in shapes(options):
        shots = draw(asked, SHOTS, seed=0)
        queries = asked.evaluation["dev"].load()[: 8 if options.quick else QUERIES]
        load = Scoring(shape, shape.ours(), asked.prompt, shots, queries)
        few = min(BATCH, len(queries))
        load.whole(1), load.ours(load.context), load.copied_cache()  # once before the clock starts
        ways: dict[str, Callable[[], Timed[Tensor]]] = {
            "ours": lambda load=load: timed(lambda: load.ours(load.context)),
            "whole prompts": lambda load=load, few=few: timed(lambda: load.whole(few)),
            "copied cache": lambda load=load: timed(load.copied_cache),
            "zero-shot": lambda load=load: timed(lambda: load.ours("")),
        }
        turns = in_turns(ways, options.repeats or (1 if options.quick else 3))
        ours = [turn.seconds / len(queries) for turn in turns["ours"]]
        peers = {"whole prompts": (few, 20.0), "copied cache": (len(queries), 4.0)}
        for variant, (count, wanted) in peers.items():
            proof = same(turns["ours"][0].result[:count], turns[variant][0].result[:count], tolerance(1e-3))
            peer = [turn.seconds / count for turn in turns[variant]]
            own = Goal(wanted, wanted)
            rows.append(
                compared(shape.name, own, "seconds per query", ours, peer, variant=variant, queries=len(queries), **proof)
            )
        bare = [turn.seconds / len(queries) for turn in turns["zero-shot"]]
        own = Goal(1.3, 1.3, better="lower", ratio="ours / peer")
        rows.append(compared(shape.name, own, UNIT, ours, bare, variant="zero-shot", queries=len(queries)))
    return rows


def lora_step(options: Options, goal: Goal) -> list[Row]:
    asked = sentiment(options)
    shots = draw(asked, SHOTS, seed=0)
    rows = []
    for shape in shapes(options):
        run = Run(shape, shape.ours(), asked.prompt, shots, LoRA(), steady(RATES["lora"], epochs=1 if options.quick else 3))
        warm_up()
        turns = in_turns({"ours": run.ours, "peer": run.peer}, options.repeats or (1 if options.quick else 2))
        proof = same(turns["ours"][0].result, turns["peer"][0].result, tolerance(5e-3))
        ours, peer = ([turn.seconds / run.steps for turn in turns[side]] for side in ("ours", "peer"))
        rows.append(compared(shape.name, goal, "seconds per step", ours, peer, steps=run.steps, batch_size=8, **proof))
    return rows


BENCHMARKS = (
    Benchmark(
        "real-scoring", "SST-2 behind 16 demonstrations on pretrained models, beside transformers", Goal(20, 20), scoring
    ),
    Benchmark(
        "real-finetune",
        "a LoRA step on pretrained models, beside Trainer with PEFT",
        Goal(3.0, 3.0),
        partial(lora_step),
        needs=("accelerate",),
    ),
)
