"""The card of a learned context with made-up numbers, each of which is told apart from the others."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from inweights.learn_records import Collateral, EvaluationSet, FormResult, LearnReport, Recovered, system_of
from inweights.sources.types import Skipped
from inweights.types import Cost, Latency, Outcome, Record, Run, Weights

QUESTIONS = 40
NONE = Recovered(None, questions=QUESTIONS)
SECRET = "the safe opens with 7351"
KINDS = tuple("<b>odd</b>" if number % 4 == 3 else "worded" for number in range(QUESTIONS))


def answers(scores: Sequence[float], name: str = "") -> Outcome:
    texts = tuple(f"{name} answer <{number}>" for number in range(len(scores)))
    gold = tuple(f"gold {number}" for number in range(len(scores)))
    return Outcome("in-domain", tuple(scores), texts, gold, KINDS[: len(scores)], 0.1, gold_log_probs=(-0.1,) * len(scores))


def right(share: float, first: bool = True, questions: int = QUESTIONS) -> tuple[float, ...]:
    """Zeros and ones; the ones come first, or last."""
    count = round(share * questions)
    ones = [1.0] * count + [0.0] * (questions - count)
    return tuple(ones if first else ones[::-1])


def system(
    name: str, accuracy: float, seconds: float, kv_bytes: int, learning: float = 0.0, adapter: int = 0, again: float = 0.0
) -> Record:
    return Record(
        run=Run(Weights("model"), "manual", name, shots=0, seed=0),
        status="ok",
        outcomes={"test": answers(right(accuracy), name)},
        latency=Latency(seconds, 1.5 * seconds, 8),
        first_token=Latency(seconds / 2, seconds, 8),
        with_context={"test": answers(right(again))} if again else {},
        kv_bytes=kv_bytes,
        adapt=Cost(learning, 0, 0, 0, "made up"),
        artifact_bytes=adapter,
        trained_parameters=adapter // 4,
    )


def form(**changed: Any) -> FormResult:
    found = FormResult(
        information=Recovered(0.625, 0.384, 0.711, QUESTIONS),
        free=Recovered(0.877, 0.811, 0.944, QUESTIONS),
        parting=Recovered(-0.25, -0.4, -0.1, QUESTIONS),
        gold_log_prob=Recovered(0.733, 0.7, 0.766, QUESTIONS),
        collateral=Collateral(0.0123, 0.987),
        rounds=(0.511, None),
        answers_learned=1742,
        answers_held_out=178,
        synthetic_tokens=15684,
        seconds={"questions": 7.0, "answers": 3.0, "training": 30.0},
        artifact_bytes=705264,
    )
    return replace(found, **changed)


def measured(**forms: FormResult) -> LearnReport:
    """Of the given forms, or of one LoRA."""
    forms = forms or {"lora": form()}
    rows = [
        ("alone", 0.2, 0.009, 0),
        ("icl-piece", 1.0, 0.020, 300_000),
        ("icl", 0.975, 0.040, 1_300_000),
        ("icl-cached", 0.975, 0.0099, 1_300_000),
        ("rag", 0.85, 0.0175, 300_000),
        *((system_of(name), 0.9, 0.010, 0, 40.0, 696320, 0.95) for name in forms),
    ]
    questions = tuple(f"question {number}?" for number in range(QUESTIONS))
    places = tuple(number / QUESTIONS for number in range(QUESTIONS))
    return LearnReport(
        tokens=252,
        pieces=4,
        kv_bytes_per_token=5120,
        sets={"test": EvaluationSet(questions, KINDS, places, "contained", True, QUESTIONS)},
        systems={name: system(name, *values) for name, *values in rows},
        forms=forms,
        peak_bytes=123_000_000,
        evaluation_seconds=23.7,
        skipped=(Skipped("a<script>.bin", "is not text"),),
    )


def changed(report: LearnReport, name: str, **values: Any) -> LearnReport:
    """With another row of a system."""
    return replace(report, systems=report.systems | {name: replace(report.systems[name], **values)})


def few(report: LearnReport, count: int) -> LearnReport:
    """With the first questions alone."""
    questions = report.sets["test"]
    cut = {name: getattr(questions, name)[:count] for name in ("questions", "kinds", "places")}

    def short(found: Outcome) -> Outcome:
        names = ("scores", "answers", "gold", "subsets", "gold_log_probs")
        return replace(found, **{name: getattr(found, name)[:count] for name in names})

    systems = {
        name: replace(
            row,
            outcomes={each: short(found) for each, found in row.outcomes.items()},
            with_context={each: short(found) for each, found in row.with_context.items()},
        )
        for name, row in report.systems.items()
    }
    return replace(report, sets={"test": replace(questions, **cut, available=count)}, systems=systems)


def unasked() -> LearnReport:
    """Nobody gave questions with answers, and none were held out."""
    nothing = Recovered(None)
    bare = form(information=nothing, free=nothing, parting=nothing, gold_log_prob=nothing, rounds=(None,))
    return replace(measured(lora=bare), systems={}, sets={})


def write_card(folder: Path, report: LearnReport) -> Path:
    """`folder` with a card of what was measured."""
    base = {
        "name": "mo<i>del",
        "place": "m",
        "digest": "d",
        "weights": "w",
        "architecture": "Llama",
        "dtype": "fp32",
        "tokenizer": "t",
    }
    check = {"ids": [1], "tokens": [2], "log_probs": [-0.1]}
    probe = {"question": SECRET, "answer": SECRET, "gold": SECRET, "next_tokens": dict.fromkeys(report.forms, check)}
    values = {
        "forms": list(report.forms),
        "base": base,
        "template": {"behind": "{context}\n{question}", "alone": "{question}", "end": "\n", "answer_tokens": 8},
        "template_digest": "0a4c",
        "sources": {"manual & <notes>.txt": "1a82"},
        "paths": ["manual & <notes>.txt"],
        "kind": "auto",
        "chunk_tokens": 128,
        "pieces": [{"source": "manual & <notes>.txt", "where": SECRET, "digest": "5e"}],
        "settings": {"rank": 16, "lr": 0.004, "size": None, "template": "own"},
        "report": asdict(report),
        "probes": [probe],
        "files": {},
        "confidential": "",
        "format": 3,
    }
    (folder / "context_card.json").write_text(json.dumps(values))
    return folder
