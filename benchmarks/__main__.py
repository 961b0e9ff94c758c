"""`python -m benchmarks [NAME] [--data DIR] [--models DIR] [--quick] [--repeats N]`: list the benchmarks, or run one."""

import argparse
import difflib
import json
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks import (
    adaptive,
    compiled,
    defaults,
    distillation,
    finetune,
    learn,
    learn_composition,
    learn_next_token,
    learn_real,
    learn_teacher,
    learn_window,
    memory,
    patterns,
    plan,
    real,
    real_learn,
    real_study,
    scoring,
    scoring_cost,
    seeds,
    system_prompt,
    utilisation,
)
from benchmarks.bench import Benchmark, Options, record, write
from inweights.types import UserError

LEARNING = (learn, learn_composition, learn_window, learn_next_token, learn_teacher, learn_real, system_prompt)
FAMILIES = (
    scoring,
    scoring_cost,
    finetune,
    seeds,
    adaptive,
    utilisation,
    distillation,
    memory,
    plan,
    compiled,
    real,
    real_learn,
    real_study,
    defaults,
    patterns,
    *LEARNING,
)
BENCHMARKS: dict[str, Benchmark] = {each.name: each for family in FAMILIES for each in family.BENCHMARKS}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="a folder with rte/ and cola/, a book as .txt, or dev.jsonl of FairytaleQA; without it, made text",
    )
    parser.add_argument("--quick", action="store_true", help="two layers and tiny counts; nothing is written")
    parser.add_argument("--repeats", type=int, metavar="N", help="how often each side is measured")
    parser.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="a folder with smollm2-135m-instruct/ and gemma-3-270m/ (real-... and defaults only)",
    )
    options = parser.parse_args()
    if options.name is None:
        width = max(map(len, BENCHMARKS))
        print("\n".join(f"{name:{width}}  {each.about}" for name, each in BENCHMARKS.items()))
        return
    if options.repeats is not None and options.repeats < 1:
        _stop(f"--repeats is {options.repeats}: expected at least 1")
    benchmark = _named(options.name)
    if options.data is not None and not options.data.is_dir():
        _stop(f"--data {options.data} is not a folder: expected one with the data of {options.name}, or leave --data out")
    try:
        rows = benchmark.run(Options(options.data, options.quick, options.repeats, options.models), benchmark.goal)
    except UserError as error:  # such as data that is not where it was said to be
        _stop(str(error))
    # Of the data's place its name alone: where it lies on this machine says nothing to others.
    given = ["--data", options.data.resolve().name] if options.data else []
    turns = ["--repeats", str(options.repeats)] if options.repeats else []
    given += ["--models", options.models.resolve().name] if options.models else []
    words = ["python", "-m", "benchmarks", benchmark.name, *given, *["--quick"] * options.quick, *turns]
    found = record(benchmark, rows, shlex.join(words))
    print(json.dumps(found, indent=2))
    if not options.quick:
        write(found)


def _named(name: str) -> Benchmark:
    if name not in BENCHMARKS:
        near = difflib.get_close_matches(name, BENCHMARKS, n=1, cutoff=0.0)
        _stop(f"there is no benchmark {name!r}; did you mean {near[0]}?")
    benchmark = BENCHMARKS[name]
    missing = [package for package in benchmark.needs if find_spec(package.replace("-", "_")) is None]
    if missing:
        _stop(f"{name} needs {' and '.join(missing)}: pip install {' '.join(missing)} -c constraints.txt")
    return benchmark


def _stop(line: str) -> None:
    print(line, file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
