"""What torch.compile would add to a training step: the backbone's blocks compiled, beside them as they are.

Steps of packed rows differ in length, so both a row of one length and rows of several are measured; compiling itself is
counted apart. inweights does not compile: this says what it would gain.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks.bench import Benchmark, Goal, Options, Row, compared, in_turns, timed
from benchmarks.shapes import SHAPES, ModelShape, on_each
from benchmarks.text import entailment, written

LENGTHS = {"one length": (512,) * 4, "four lengths": (512, 448, 576, 480)}


def compiled(options: Options, goal: Goal) -> list[Row]:
    def rows(made: ModelShape) -> list[Row]:
        return [_row(made, name, lengths, options, goal) for name, lengths in LENGTHS.items()]

    return on_each(SHAPES, written(entailment(options)), options, rows)


def _row(made: ModelShape, variant: str, lengths: Sequence[int], options: Options, goal: Goal) -> Row:
    module: Any = made.ours().module
    # As others run it: our attention is for rows that are packed.
    module.set_attn_implementation("sdpa")
    inner: Any = module.base_model
    inner.requires_grad_(True)
    sizes = tuple(length // 8 for length in lengths) if options.quick else lengths
    faster = torch.compile(inner, dynamic=len(set(sizes)) > 1)
    started = time.perf_counter()
    _steps(faster, sizes)()
    first = time.perf_counter() - started
    ways = {name: partial(timed, _steps(each, sizes)) for name, each in (("ours", faster), ("peer", inner))}
    turns = in_turns(ways, options.repeats or (1 if options.quick else 3))
    ours, peer = ([each.seconds for each in turns[way]] for way in ("ours", "peer"))
    torch._dynamo.reset()
    return compared(made.name, goal, "seconds for four steps", ours, peer, variant=variant, compiling_seconds=first)


def _steps(model: Callable[..., Any], lengths: Sequence[int]) -> Callable[[], None]:
    def run() -> None:
        for length in lengths:
            ids = torch.arange(length)[None] % 1000 + 10
            model(input_ids=ids, use_cache=False).last_hidden_state.square().mean().backward()

    return run


BENCHMARKS = (
    Benchmark(
        "compile",
        "a backbone's forward and backward pass through torch.compile, beside the same as it is",
        Goal(1.1, 1.1),
        compiled,
    ),
)
