"""The card of a learnt context with made-up numbers, each of which is told apart from the others."""

import json
from pathlib import Path
from typing import Any

NONE = {"value": None, "low": None, "high": None, "questions": 40}
SECRET = "the safe opens with 7351"


def system(accuracy: float, seconds: float, kv_bytes: int, learning: float = 0.0, artefact: int = 0) -> dict[str, Any]:
    return {
        "accuracy": accuracy,
        "by_kind": {"worded": accuracy, "<b>odd</b>": 0.31},
        "by_place": [accuracy, None, 0.62],
        "gold_nll": 0.1,
        "adapt_seconds": learning,
        "artifact_bytes": artefact,
        "seconds": seconds,
        "first_token": seconds / 2,
        "context_tokens": kv_bytes // 1000,
        "kv_bytes": kv_bytes,
    }


def form(**changed: Any) -> dict[str, Any]:
    return {
        "information": {"value": 0.625, "low": 0.384, "high": 0.711, "questions": 178},
        "rounds": [0.511, None],
        "lessons": 1742,
        "held_out": 178,
        "synthetic_tokens": 15684,
        "seconds": {"questions": 7.0, "answers": 3.0, "training": 30.0},
        "collateral": {"neutral_kl": 0.0123, "contexts_read": 0.987},
        "accuracy": {"value": 0.877, "low": 0.811, "high": 0.944, "questions": 40},
        "gold_nll": {"value": 0.733, "low": 0.7, "high": 0.766, "questions": 40},
        "break_even": {"icl": 1334, "icl-cached": None, "icl-piece": 4000},
        "artifact_bytes": 705264,
    } | changed


def measured(**forms: dict[str, Any]) -> dict[str, Any]:
    """Of the given forms, or of one LoRA."""
    forms = forms or {"lora": form()}
    learned = {f"distilled ({name})": system(0.9, 0.010, 0, 40.0, 696320) for name in forms}
    return {
        "tokens": 252,
        "pieces": 4,
        "kv_bytes_per_token": 5120,
        "questions": 40,
        "right": "given answers",
        "systems": {
            "alone": system(0.2, 0.009, 0),
            "icl-piece": system(1.0, 0.020, 300_000),
            "icl": system(0.975, 0.040, 1_300_000),
            "icl-cached": system(0.975, 0.0099, 1_300_000),
            "rag": system(0.85, 0.0175, 300_000),
            **learned,
        },
        "learnt": forms,
        "peak_bytes": 123_000_000,
        "evaluation_seconds": 23.7,
        "skipped": [{"source": "a<script>.bin", "reason": "is no text"}],
    }


def unasked() -> dict[str, Any]:
    """Nobody gave questions with answers, and none were held out."""
    bare = form(information=NONE | {"questions": 0}, rounds=[None])
    kept = {name: value for name, value in bare.items() if name not in ("accuracy", "gold_nll", "break_even")}
    return measured(lora=kept) | {"systems": {}, "questions": 0}


def write_card(folder: Path, found: dict[str, Any]) -> Path:
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
    probe = {"question": SECRET, "answer": SECRET, "gold": SECRET, "ids": [1], "log_probs": [-0.1], "tokens": [2]}
    values = {
        "forms": list(found["learnt"]),
        "base": base,
        "template": {"behind": "{context}\n{question}", "alone": "{question}", "end": "\n", "answer_tokens": 8},
        "template_digest": "0a4c",
        "sources": {"manual & <notes>.txt": "1a82"},
        "paths": ["manual & <notes>.txt"],
        "kind": "auto",
        "chunk_tokens": 128,
        "pieces": [{"source": "manual & <notes>.txt", "where": SECRET, "digest": "5e"}],
        "settings": {"rank": 16, "lr": 0.004, "size": None, "template": "own"},
        "measured": found,
        "probes": [probe],
        "files": {},
        "confidential": "",
        "format": 1,
    }
    (folder / "context_card.json").write_text(json.dumps(values))
    return folder
