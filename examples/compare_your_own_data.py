"""Compare methods on a labelled file of your own: python examples/compare_your_own_data.py [MODEL]"""

import csv
import sys
from pathlib import Path
from tempfile import mkdtemp

import inweights


def write(path: Path, things: list[str]) -> str:
    """Stands for your own file: any CSV, TSV, JSONL or Parquet with text and label columns."""
    opinions = {
        "positive": ["the poet wants the lovely {} .", "the cook wants the perfect {} ."],
        "negative": ["the poet wants the foul {} .", "the cook wants the ugly {} ."],
    }
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["review", "label"])
        rows.writerows([said.format(thing), label] for thing in things for label in opinions for said in opinions[label])
    return str(path)


folder = Path(mkdtemp())
study = inweights.compare(
    model=sys.argv[1] if len(sys.argv) > 1 else "embedded",
    train=write(folder / "train.csv", ["house", "lamp", "river", "king", "letter", "boat"]),
    test=write(folder / "test.csv", ["doctor", "judge", "tower"]),
    ood={"long": write(folder / "long.csv", ["old red house near the river", "lamp that the king wants"])},
    pattern="{review} It was",
    verbalizer=["foul", "lovely"],  # the words for negative and positive
    methods=["zero-shot", "icl", "pbft+lora", "vanilla+lora"],
    shots=[8],
    seeds=2,
    out=folder / "study",
)
print(study.table())
print(f"inweights best {study.folder} --objective worst --export out/")
