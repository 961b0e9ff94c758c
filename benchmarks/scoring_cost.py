"""What demonstrations cost a query once their encoding is shared: beside none, and 32 beside 2.

Both sides are ours. Tokenising the texts and encoding the demonstrations are in the time of both.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.bench import Benchmark, Goal, Options, Row, Timed, compared, in_turns, same, timed
from benchmarks.scoring import UNIT, Load, loaded, per_query
from benchmarks.scoring_peers import whole_prompts
from benchmarks.shapes import SHAPES, ModelShape, on_each, tolerance
from benchmarks.text import as_many, entailment, of_like_length, written
from inweights.scoring import label_scores
from inweights.types import Example


def against_zero_shot(options: Options, goal: Goal) -> list[Row]:
    def rows(made: ModelShape) -> list[Row]:
        load = loaded(made, options, *((16, 128) if options.quick else (512, 768)))
        return [_row(load, (), options, goal)]

    return on_each(SHAPES, written(entailment(options)), options, rows)


def many_shots_against_two(options: Options, goal: Goal) -> list[Row]:
    task, (queries, shots) = entailment(options), (16, 8) if options.quick else (512, 32)

    def rows(made: ModelShape) -> list[Row]:
        model = made.ours()
        alike = of_like_length(model, task.prompt, task.splits["train"].load())
        shown = alike[:shots]
        return [_row(Load(made, model, task.prompt, shown, as_many(alike[shots:], queries)), shown[:2], options, goal)]

    return on_each(SHAPES, written(task), options, rows)


def _row(load: Load, fewer: Sequence[Example], options: Options, goal: Goal) -> Row:
    """The cost per query behind the load's demonstrations over that behind `fewer`."""
    contexts = [load.context, load.prompt.context(fewer)]

    @torch.no_grad()
    def way(index: int) -> Timed[Tensor]:
        return timed(lambda: label_scores(load.model, load.prompt, load.asked, contexts[index]))

    with torch.no_grad():
        label_scores(load.model, load.prompt, load.asked[:4], contexts[0])  # once before the clock starts
    repeats = options.repeats or (1 if options.quick else 2)
    turns = in_turns({"more": lambda: way(0), "fewer": lambda: way(1)}, repeats)
    module, tokenizer, first = load.shape.theirs(), load.shape.tokenizer(), load.asked[:4]
    scores = torch.cat([turns[name][0].result[: len(first)] for name in ("more", "fewer")])
    expected = [whole_prompts(module, tokenizer, load.prompt, first, each, last_logits_only=True) for each in contexts]
    proof = same(scores, torch.cat(expected), tolerance(1e-4))
    seconds = [per_query(turns[name], len(load.asked)) for name in ("more", "fewer")]
    more = load.described(demonstrations_of_peer=len(fewer), **proof)
    return compared(load.shape.name, goal, UNIT, *seconds, **more)


BENCHMARKS = (
    Benchmark(
        "scoring-zero-shot",
        "a query behind 768 tokens of demonstrations beside one behind none",
        Goal(1.2, 1.3, better="lower", ratio="ours / peer"),
        against_zero_shot,
    ),
    Benchmark(
        "scoring-shots",
        "a query behind 32 demonstrations beside one behind 2",
        Goal(1.3, 1.3, better="lower", ratio="ours / peer"),
        many_shots_against_two,
    ),
)
