"""Compare methods on a labelled file of your own: python examples/compare_your_own_data.py [MODEL]"""

import csv
import sys
from pathlib import Path
from tempfile import mkdtemp

import inweights

MODEL = sys.argv[1] if len(sys.argv) > 1 else "embedded"


def write(path: Path, things: list[str]) -> str:
    """Stands for your own file: any CSV, TSV, JSONL or Parquet with text and label columns."""
    opinions = {"good": ["I like the {}", "what a great {}"], "bad": ["I hate the {}", "what a terrible {}"]}
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["review", "label"])
        rows.writerows([said.format(thing), label] for thing in things for label in opinions for said in opinions[label])
    return str(path)


folder = Path(mkdtemp())
study = inweights.compare(
    model=MODEL,
    train=write(folder / "train.csv", ["cook", "house", "king", "lamp", "film", "book"]),
    test=write(folder / "test.csv", ["doctor", "judge", "car"]),
    ood={"long": write(folder / "long.csv", ["old red house near the river", "car that my brother sold"])},
    pattern="{review} It was",
    methods=["zero-shot", "icl", "pbft+lora", "vanilla+lora"],
    shots=[8],
    seeds=2,
    out=folder / "study",
)
print(study.table())
print(f"inweights best {study.folder} --objective worst --export out/")
