"""The time of a single query, and of the prompt that queries share; measured apart from throughput."""

import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median, quantiles

from inweights.readouts import Ensemble, LabelWords, Readout
from inweights.types import Example, Latency

FEWEST, MOST = 3, 10
"""Minimum and maximum number of timed queries, as the seconds allow."""
SECONDS = 0.25


def latency(readout: Readout, examples: Sequence[Example]) -> tuple[Latency, float]:
    """Of one query at a time, and the seconds of the shared part of the prompt; the model has run before.

    The shared part is what a query takes less what it takes without demonstrations.
    """
    took = _seconds(readout, examples, MOST)
    high = quantiles(took, n=20, method="inclusive")[-1] if len(took) > 1 else took[0]
    bare = _without_demonstrations(readout)
    shared = max(0.0, median(took) - median(_seconds(bare, examples, FEWEST))) if bare else 0.0
    return Latency(median(took), high, len(took)), shared


def _seconds(readout: Readout, examples: Sequence[Example], most: int) -> list[float]:
    took: list[float] = []
    for example in examples[:most]:
        began = time.perf_counter()
        readout([example])
        took.append(time.perf_counter() - began)
        if len(took) >= FEWEST and sum(took) > SECONDS:
            break
    return took


def _without_demonstrations(readout: Readout) -> Readout | None:
    """None where it shows none."""
    if isinstance(readout, Ensemble):
        return replace(readout, members=tuple(replace(each, demonstrations=()) for each in readout.members))
    if isinstance(readout, LabelWords) and readout.demonstrations:
        return replace(readout, demonstrations=())
    return None
