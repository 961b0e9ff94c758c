"""Scoring queries behind a shared prefix: inweights beside plain transformers, and beside what the machine can do.

    python benchmarks/scoring.py [--queries 128] [--prefix 768] [--query 48] [--repeats 5]

Random weights in the shapes of OPT-125M and of a Llama of 110M parameters; nothing is downloaded. All ways answer the
queries with logits at the last token alone, in one process and in turns, so that what else the machine does falls on
all of them; the fastest turn of each counts. Plain transformers, whose cost per query does not depend on their number,
answers the first 8. `inweights` encodes the prefix too, `inweights_prefix_known` finds it encoded.
Writes benchmarks/results/scoring.json.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from inweights.models.base import ModelCard, Tree
from inweights.models.causal import CausalLM
from inweights.models.packing import packing_where_equal

SHAPES = {
    "opt-125m": {"model_type": "opt"},
    "llama-110m": {
        "model_type": "llama",
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "num_key_value_heads": 12,
        "intermediate_size": 2048,
        "max_position_embeddings": 2048,
    },
}
RESULT = Path(__file__).parent / "results" / "scoring.json"
Way = Callable[[], Tensor]


@dataclass(frozen=True)
class Load:
    prefix: list[int]
    queries: list[list[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("queries", 128), ("prefix", 768), ("query", 48), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    result: dict[str, object] = {
        "options": vars(options),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "models": {},
    }
    for name, shape in SHAPES.items():
        row = measure(shape, options.queries, options.prefix, options.query, options.repeats)
        result["models"][name] = row  # type: ignore[index]
        print(name, json.dumps(row, indent=2))
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(result, indent=2) + "\n")


def measure(shape: dict[str, object], queries: int, prefix: int, query: int, repeats: int) -> dict[str, object]:
    config = AutoConfig.for_model(**shape)  # type: ignore[arg-type]
    theirs = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    module = AutoModelForCausalLM.from_config(config).eval()
    module.load_state_dict(theirs.state_dict())
    card = ModelCard("random", "causal", type(module).__name__, module.num_parameters(), "fp32", "cpu", 2048, "")
    ours = packing_where_equal(CausalLM(card, module, None, config.hidden_size, (), packs=False))
    assert ours.packs
    low, high = 5, config.vocab_size
    load = Load(
        torch.randint(low, high, (prefix,)).tolist(), [torch.randint(low, high, (query,)).tolist() for _ in range(queries)]
    )
    trees = [Tree(tuple(ids)) for ids in load.queries]
    known, few = ours.prefix(load.prefix), Load(load.prefix, load.queries[:8])
    ways: dict[str, Way] = {
        "inweights": lambda: ours.next_token_logits(trees, ours.prefix(load.prefix)),
        "inweights_prefix_known": lambda: ours.next_token_logits(trees, known),
        "inweights_zero_shot": lambda: ours.next_token_logits(trees),
        "transformers_whole_prompts": lambda: whole(theirs, few),
        "transformers_copied_cache": lambda: copied_cache(theirs, few),
        "transformers_zero_shot": lambda: batch(theirs, load.queries),
    }
    first = {name: way() for name, way in ways.items()}
    asked = {name: len(out) for name, out in first.items()}
    expected = first["transformers_whole_prompts"]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    rates = []
    for _ in range(repeats):
        rates.append(matrix_rate(config.hidden_size, queries * query))
        for name, way in ways.items():
            seconds[name].append(elapsed(way) / asked[name])
    best = {name: min(each) for name, each in seconds.items()}
    work = operations(module, config, queries, prefix, query)
    rate = max(rates)
    return {
        "seconds_per_query": best,
        "faster_than_whole_prompts": best["transformers_whole_prompts"] / best["inweights"],
        "faster_than_a_copied_cache": best["transformers_copied_cache"] / best["inweights"],
        "times_the_cost_of_zero_shot": best["inweights"] / best["inweights_zero_shot"],
        "times_the_cost_of_zero_shot_prefix_known": best["inweights_prefix_known"] / best["inweights_zero_shot"],
        "largest_difference_of_logits": float((first["inweights"][: len(expected)] - expected).abs().max()),
        "matrix_product_gflops": rate / 1e9,
        "of_the_matrix_product_rate": {
            "inweights": work["prefixed"] / best["inweights"] / rate,
            "inweights_zero_shot": work["zero_shot"] / best["inweights_zero_shot"] / rate,
            "transformers_whole_prompts": work["whole"] / best["transformers_whole_prompts"] / rate,
        },
    }


def whole(module: nn.Module, load: Load) -> Tensor:
    """Eight whole prompts at a time."""
    rows = [load.prefix + query for query in load.queries]
    return torch.cat([batch(module, rows[i : i + 8]) for i in range(0, len(rows), 8)])


def batch(module: nn.Module, rows: list[list[int]]) -> Tensor:
    return module(torch.tensor(rows), use_cache=False, logits_to_keep=1).logits[:, -1]


def copied_cache(module: nn.Module, load: Load) -> Tensor:
    """The prefix encoded once, its keys and values copied for every query of a batch of eight."""
    out = []
    cache = DynamicCache(config=module.config)
    module(torch.tensor([load.prefix]), past_key_values=cache, logits_to_keep=1)
    for start in range(0, len(load.queries), 8):
        rows = load.queries[start : start + 8]
        copied = DynamicCache(
            [(layer.keys.repeat(len(rows), 1, 1, 1), layer.values.repeat(len(rows), 1, 1, 1)) for layer in cache.layers]
        )
        out.append(module(torch.tensor(rows), past_key_values=copied, logits_to_keep=1).logits[:, -1])
    return torch.cat(out)


def elapsed(way: Way) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def matrix_rate(size: int, rows: int) -> float:
    """Operations per second of the product that a block's widest layer is."""
    a, b = torch.randn(rows, size), torch.randn(size, 4 * size)
    return max(2 * rows * size * 4 * size / elapsed(lambda: a @ b) for _ in range(5))


def operations(module: nn.Module, config: object, queries: int, prefix: int, query: int) -> dict[str, float]:
    """Of matrix products, per query: every weight of the blocks for each token, attention, and the head once."""
    embeddings = sum(each.weight.numel() for each in module.modules() if isinstance(each, nn.Embedding))
    tied = module.get_output_embeddings().weight is module.get_input_embeddings().weight  # type: ignore[operator]
    head = module.get_output_embeddings().weight.numel()  # type: ignore[operator]
    weights = sum(each.numel() for each in module.parameters()) - embeddings - (0 if tied else head)
    size = config.hidden_size * config.num_hidden_layers  # type: ignore[attr-defined]

    def row(tokens: int, before: int) -> float:
        return 2 * weights * tokens + 4 * size * tokens * (before + tokens / 2)

    return {
        "zero_shot": row(query, 0) + 2 * head,
        "prefixed": row(prefix, 0) / queries + row(query, prefix) + 2 * head,
        "whole": row(prefix + query, 0) + 2 * head,
    }


if __name__ == "__main__":
    main()
