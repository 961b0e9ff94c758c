"""Made-up records with known properties, for tests of what is read off records."""

import random
from dataclasses import replace

from inweights.types import Cost, Outcome, Record, Run, Weights

ACCURACY = {"zero-shot": 0.5, "icl": 0.7, "vanilla+lora": 0.65, "pbft": 0.8, "pbft+lora": 0.81, "distill+lora": 0.7}
LABELS = ("no", "yes & <maybe>")
SECONDS = {"icl": 0.010}


def record(method: str, seed: int = 0, shots: int = 16, task: str = "rte", examples: int = 200) -> Record:
    """`method` is right as often as ACCURACY says, ten points less outside the domain; deterministic."""
    rng = random.Random(f"{method} {seed} {shots} {task}")
    right = ACCURACY[method] + 0.02 * rng.uniform(-1, 1) + (0.05 if shots > 16 else 0)
    per_query = SECONDS.get(method, 0.002)
    trained = 0 if method in ("zero-shot", "icl") else 1000
    return Record(
        run=Run(Weights("tiny"), task, method, shots, seed),
        status="ok",
        labels=LABELS,
        outcomes={
            "dev": outcome(rng, "in-domain", right, examples),
            "hans": outcome(rng, "out-of-domain", right - 0.1, examples),
        },
        load=Cost(1.0, 0, 10**6, 10**8, "VmHWM"),
        adapt=Cost(3.0 if trained else 0.1, 1000, 5 * 10**7 if trained else 10**6, 10**8, "VmHWM"),
        predict=Cost(per_query * 2 * examples, 10_000, 2 * 10**7, 10**8, "VmHWM"),
        queries=2 * examples,
        trained_parameters=trained,
        artifact_bytes=4 * trained or 500,
        environment={"torch": "2.13.0", "machine": "x86_64, 2 cores"},
    )


def outcome(rng: random.Random, domain: str, right: float, examples: int) -> Outcome:
    gold = tuple(i % 2 for i in range(examples))
    predicted = tuple(g if rng.random() < right else 1 - g for g in gold)
    return answered(gold, predicted, LABELS, domain=domain, log_loss=0.5)


def answered(gold, answers, labels, domain="in-domain", **more) -> Outcome:
    """The outcome of a classifier, from indices of labels."""
    scores = tuple(float(g == a) for g, a in zip(gold, answers, strict=True))
    return Outcome(domain, scores, tuple(labels[a] for a in answers), tuple(labels[g] for g in gold), **more)


def study(shots: tuple[int, ...] = (16, 64), seeds: int = 5) -> list[Record]:
    failed = Record(Run(Weights("tiny"), "rte", "pbft", 16, 99), "diverged", "the loss was nan at step 3 of 40")
    return [record(m, seed, k) for k in shots for seed in range(seeds) for m in ACCURACY] + [failed]


def of_context(questions: int) -> list[Record]:
    """Records as `learn` writes them: two systems with texts as gold answers."""
    found = []
    for method, right in (("icl", questions), ("pbft", questions - 2)):
        scores = tuple(float(i < right) for i in range(questions))
        texts = tuple(f"answer {i}" for i in range(questions))
        outcomes = {"test": Outcome("in-domain", scores, texts, texts)}
        notes = {"metric": "contained", "free_form": True}
        found.append(replace(record(method), labels=(), outcomes=outcomes, queries=questions, notes=notes))
    return found
