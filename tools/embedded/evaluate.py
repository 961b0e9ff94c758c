"""Measure the embedded model: `python -m tools.embedded.evaluate [FOLDER]`. Under two minutes on two cores.

Label words never used as labels and patterns never seen in training, drawn anew for each of five draws; 500 queries
a draw behind 16 demonstrations, and the same queries with none; questions about documents of twenty facts. Writes the
figures and the model's card beside the weights.
"""

import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch.nn import functional as F

from inweights.engine.trees import Tree
from inweights.grammar import patterns, tasks
from inweights.grammar.sentences import Item
from inweights.models import load
from inweights.models.base import Backbone
from inweights.models.embedded import WEIGHTS
from tools.embedded import documents
from tools.embedded.card import card
from tools.embedded.episodes import text
from tools.embedded.language import EASY, ENTROPY, HARD, HELD_OUT, labelled_item

DRAWS, QUERIES, SHOTS, FACTS = 5, 500, 16, 20
FIGURES = "figures.json"


def main() -> None:
    print(json.dumps(evaluate(Path(sys.argv[1]) if len(sys.argv) > 1 else WEIGHTS), indent=1))


def evaluate(folder: Path) -> dict[str, Any]:
    """The figures of the model in the folder, written there with its card."""
    started = time.perf_counter()
    model = load(str(folder))
    found = figures(model)
    found["seconds"] = round(time.perf_counter() - started, 1)
    (folder / FIGURES).write_text(json.dumps(found, indent=1) + "\n")
    (folder / "README.md").write_text(card(found, model))
    return found


@torch.no_grad()
def figures(model: Backbone) -> dict[str, Any]:
    """Accuracies by task, zero-shot and behind 16 demonstrations, with the means the model is judged by."""
    by_task = {task: _task(model, task) for task in tasks.CLASSES}

    def over(names: Sequence[str]) -> dict[str, float]:
        return {key: round(mean(by_task[name][key] for name in names), 4) for key in ("zero-shot", "icl")}

    return {
        "tasks": by_task,
        "easy": over(EASY),
        "hard": over(HARD),
        "chance": {task: round(1 / classes, 4) for task, classes in tasks.CLASSES.items()},
        "text": _text(model),
        "documents": {kind: _documents(model, kind) for kind in documents.KINDS},
        "draws": DRAWS,
        "queries": QUERIES,
        "shots": SHOTS,
        "facts": FACTS,
    }


def _task(model: Backbone, task: str) -> dict[str, float]:
    right = {"zero-shot": [0.0], "icl": [0.0]}
    for draw in range(DRAWS):
        rng = random.Random(f"evaluation {task} {draw}")
        pattern = patterns.choice(task, "held-out", rng)
        words = rng.sample(HELD_OUT, tasks.CLASSES[task])

        def said(item: Item, pattern: patterns.Pattern = pattern) -> str:
            parts = [word for sentence in item[0] for word in sentence]
            return " ".join([*pattern.before, *parts, *pattern.after])

        # Labels in turn, then shuffled: every class is shown.
        shown = [tasks.MAKERS[task](rng, i % len(words), False) for i in range(SHOTS)]
        context = "".join(f"{said(item)} {words[item[1]]}\n" for item in rng.sample(shown, SHOTS))
        asked = [labelled_item(task, rng) for _ in range(QUERIES)]
        for name, before in (("zero-shot", ""), ("icl", context)):
            answers = _answers(model, before, [said(item) for item in asked], words)
            right[name].append(mean(a == label for a, (_, label) in zip(answers, asked, strict=True)))
    return {name: round(mean(values[1:]), 4) for name, values in right.items()}


def _answers(model: Backbone, context: str, texts: Sequence[str], words: Sequence[str] = ()) -> list[int]:
    """The likeliest of the words behind each text, or of all tokens where no words are given."""
    trees, prefix = [], None
    if context:
        prefix = model.prefix(model.encode([context])[0])
    for ids in model.encode(texts):
        # The prefix has the one `<s>`.
        trees.append(Tree(tuple(ids[1:] if context else ids)))
    chosen = [model.encode([word])[0][-1] for word in words]
    found: list[int] = []
    for start in range(0, len(trees), 100):
        logits = model.next_token_logits(trees[start : start + 100], prefix)
        found += (logits[:, chosen] if chosen else logits).argmax(-1).tolist()
    return found


def _documents(model: Backbone, kind: documents.Kind) -> dict[str, float]:
    """Share of questions answered exactly, the likeliest of all words being the answer; without the document, too."""
    right: dict[str, list[bool]] = {"without": [], "with": []}
    for number in range(DRAWS * 5):
        rng = random.Random(f"document {number}")
        events = documents.facts(rng, FACTS)
        asked = [documents.question(rng, events, kind) for _ in range(QUERIES // 5)]
        wanted = [model.encode([question.answer])[0][-1] for question in asked]
        for name, context in (("without", ""), ("with", " ".join(documents.document(events)) + "\n")):
            answers = _answers(model, context, [" ".join([*question.words, "answer :"]) for question in asked])
            right[name] += [a == w for a, w in zip(answers, wanted, strict=True)]
    return {name: round(mean(values), 4) for name, values in right.items()}


def _text(model: Backbone) -> dict[str, float]:
    """Cross-entropy of plain text in nats per word, and what the grammar itself leaves open."""
    rng, lost, words, sentences = random.Random("text"), 0.0, 0, 12
    device = next(model.module.parameters()).device
    for _ in range(DRAWS * 4):
        ids = torch.tensor(text(rng, sentences)[0], device=device)
        logits = model.module(ids[None]).logits[0, :-1].float()
        lost += float(F.cross_entropy(logits, ids[1:], reduction="sum"))
        words += len(ids) - 1
    return {"nats": round(lost / words, 4), "least": round(DRAWS * 4 * sentences * ENTROPY / words, 4)}


if __name__ == "__main__":
    main()
