"""The proof of an export: loaded again in a fresh process, it gives the scores it was exported with."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inweights import cards
from inweights.exports import context_card
from inweights.exports import manifest as manifests

TOLERANCE = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 1e-1}
"""Largest difference of a score (nats), per unit of the score where that is above one; by the dtype of the weights."""


class RejectedError(RuntimeError):
    """An export did not load, or gave other scores than it was made with; the command line exits with 1."""


@dataclass(frozen=True)
class Verification:
    """How far the scores of a reloaded export lie from those it was made with, at the most."""

    examples: int
    tolerance: float
    inweights: float
    """Loaded by inweights in a fresh process."""
    plain: float
    """Loaded by transformers and PEFT alone in that process."""

    def __str__(self) -> str:
        return (
            f"reloaded in a fresh process: {self.examples} examples score the same within {self.tolerance:g} "
            f"(inweights {self.inweights:.1e}, plain libraries {self.plain:.1e})"
        )


def verify(folder: Path, model: str | None = None) -> Verification:
    """Load and score `folder` in a fresh process, by inweights and by plain libraries.

    Of a learned context the scores are next-token log-probabilities after its probes. Raises RejectedError, which says
    how far off, unless both give the scores that the folder was written with.
    """
    wanted, tolerance = _expected(folder)
    scores = _scores_of_fresh_process(folder, model)
    proof = Verification(
        examples=len(wanted),
        tolerance=tolerance,
        inweights=_distance(scores["inweights"], wanted),
        plain=_distance(scores["plain"], wanted),
    )
    for who, distance in (("inweights", proof.inweights), ("transformers and PEFT alone", proof.plain)):
        if distance > proof.tolerance:
            raise RejectedError(
                f"the export gives other scores when loaded again by {who}: "
                f"they differ by {distance:.2g}, the tolerance is {proof.tolerance:g}"
            )
    return proof


def _expected(folder: Path) -> tuple[list[tuple[float, ...]], float]:
    """The scores that the folder was written with, and the tolerance."""
    if not (folder / cards.CONTEXT_CARD).is_file():
        manifest = manifests.read(folder)
        return [check.scores for check in manifest.checks], TOLERANCE[manifest.base.dtype]
    card = context_card.read(folder)
    rows = [each.next_tokens[form].log_probs for form in card.forms for each in card.probes]
    # Merged weights are rounded to the model's dtype once more.
    return rows, TOLERANCE[card.base.dtype] * (10 if "merged" in card.forms else 1)


def _scores_of_fresh_process(folder: Path, model: str | None) -> dict[str, list[list[float]]]:
    command = [sys.executable, "-m", "inweights.exports", str(folder.resolve()), *([model] if model else [])]
    home = str(Path(__file__).parents[2])
    paths = os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise RejectedError(f"the export does not load again: {lines[-1]}")
    scores: dict[str, list[list[float]]] = json.loads(done.stdout.strip().splitlines()[-1])
    return scores


def _distance(scores: Sequence[Sequence[float]], wanted: Sequence[Sequence[float]]) -> float:
    pairs = [pair for row, want in zip(scores, wanted, strict=True) for pair in zip(row, want, strict=True)]
    distances = [abs(score - want) / max(1.0, abs(want)) for score, want in pairs]
    return math.inf if any(map(math.isnan, distances)) else max(distances)
