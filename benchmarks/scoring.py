"""Label words scored behind demonstrations, beside transformers and lm-eval.

The peers' cost per query does not depend on how many there are, so they answer the first few. Ours encodes the
demonstrations once for all queries, and that is in its time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.bench import Benchmark, Goal, Options, Row, Timed, compared, in_turns, same, timed
from benchmarks.scoring_peers import harness, lm_eval_scores, whole_prompts
from benchmarks.shapes import SHAPES, ModelShape, on_each, tolerance
from benchmarks.text import as_many, entailment, of_like_length, until, written
from inweights.models.base import Backbone
from inweights.scoring import label_scores
from inweights.types import Example, Prompt

UNIT = "seconds per query"


@dataclass(frozen=True)
class Load:
    """A model with something to score."""

    shape: ModelShape
    model: Backbone
    prompt: Prompt
    shown: list[Example]
    asked: list[Example]

    @property
    def context(self) -> str:
        return self.prompt.context(self.shown)

    def described(self, **more: object) -> dict[str, object]:
        return {
            "queries": len(self.asked),
            "distinct_queries": len(set(map(self.prompt.body, self.asked))),
            "demonstrations": len(self.shown),
            "prefix_tokens": len(self.model.encode([self.context])[0]),
            **more,
        }


def loaded(made: ModelShape, options: Options, queries: int, prefix: int) -> Load:
    """`prefix` tokens of demonstrations, and queries that are none of them."""
    task, model = entailment(options), made.ours()
    alike = of_like_length(model, task.prompt, task.splits["train"].load())
    shown = until(model, task.prompt, alike, prefix)
    return Load(made, model, task.prompt, shown, as_many(alike[len(shown) :], queries))


def against_whole_prompts(options: Options, goal: Goal) -> list[Row]:
    def rows(made: ModelShape) -> list[Row]:
        load, module, tokenizer = loaded(made, options, *_sizes(options)), made.theirs(), made.tokenizer()
        first = load.asked[: _few(options)]

        def whole(asked: Sequence[Example], short: bool) -> Tensor:
            return whole_prompts(module, tokenizer, load.prompt, asked, load.context, last_logits_only=short)

        whole(first[:1], True)  # once before the clock starts
        peers = {
            "all logits": lambda: timed(lambda: whole(first, False)),
            "logits_to_keep=1": lambda: timed(lambda: whole(first, True)),
        }
        return _beside(load, peers, len(first), options, goal)

    return on_each(SHAPES, written(entailment(options)), options, rows)


def against_lm_eval(options: Options, goal: Goal) -> list[Row]:
    def rows(made: ModelShape) -> list[Row]:
        load, asked = loaded(made, options, *_sizes(options)), harness(made.theirs(), made.tokenizer())
        first = load.asked[: _few(options)]
        lm_eval_scores(asked, load.prompt, first[:1], load.context)  # once before the clock starts
        peers = {"loglikelihood": lambda: timed(lambda: lm_eval_scores(asked, load.prompt, first, load.context))}
        return _beside(load, peers, len(first), options, goal)

    return on_each(SHAPES, written(entailment(options)), options, rows)


def _beside(
    load: Load, peers: Mapping[str, Callable[[], Timed[Tensor]]], few: int, options: Options, goal: Goal
) -> list[Row]:
    """A row for every peer; each answers the first `few` queries."""
    _ours(replace(load, asked=load.asked[:1]))
    ways = {"ours": lambda: timed(lambda: _ours(load)), **peers}
    turns = in_turns(ways, options.repeats or (1 if options.quick else 3))
    rows = []
    for variant in peers:
        proof = same(turns["ours"][0].result[:few], turns[variant][0].result, tolerance(1e-4))
        ours, peer = per_query(turns["ours"], len(load.asked)), per_query(turns[variant], few)
        rows.append(compared(load.shape.name, goal, UNIT, ours, peer, **load.described(variant=variant, **proof)))
    return rows


def _sizes(options: Options) -> tuple[int, int]:
    """Queries, and tokens of demonstrations."""
    return (16, 128) if options.quick else (256, 768)


def _few(options: Options) -> int:
    return 4 if options.quick else 16


@torch.no_grad()
def _ours(load: Load) -> Tensor:
    return label_scores(load.model, load.prompt, load.asked, load.context)


def per_query(turns: Sequence[Timed[Tensor]], queries: int) -> list[float]:
    return [turn.seconds / queries for turn in turns]


BENCHMARKS = (
    Benchmark(
        "scoring-whole-prompts",
        "queries behind 768 tokens of demonstrations, beside transformers with whole padded prompts",
        Goal(17, 12),
        against_whole_prompts,
    ),
    Benchmark(
        "scoring-lm-eval",
        "the same queries beside lm-eval's loglikelihood requests",
        Goal(25, 15),
        against_lm_eval,
        needs=("lm-eval", "accelerate"),
    ),
)
