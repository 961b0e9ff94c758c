"""The forecast of a study: every run resolved, with predicted time and memory.

Where the folder has records, what they took over what was predicted for them corrects the rest.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inweights.models.skeleton import skeleton
from inweights.settings import settings
from inweights.study.estimate import Estimate, estimate
from inweights.study.machine import device, free_bytes
from inweights.study.planned import PlannedRun
from inweights.types import Record, Weights
from inweights.wording import duration, size

if TYPE_CHECKING:
    from inweights.study.study import Study


@dataclass(frozen=True)
class Forecast:
    setting: PlannedRun
    estimate: Estimate
    done: bool
    number_bytes: int = 4
    """Of one of the loaded model's numbers."""

    @property
    def model_bytes(self) -> float:
        return float(self.number_bytes * skeleton(self.setting.run.model).card.parameters)

    @property
    def stops_early(self) -> bool:
        return bool(settings(self.setting.method).get("schedule.stop_loss"))

    @property
    def peak_bytes(self) -> float:
        return self.model_bytes + self.estimate.peak_bytes


def forecast(study: "Study") -> list[Forecast]:
    """A forecast for each run, in the order in which they will be done."""
    records = [study.store.find(setting.run) for setting in study.settings]
    plain = [estimate(setting) for setting in study.settings]
    ratios = [
        (setting, _ratio(record, predicted))
        for setting, record, predicted in zip(study.settings, records, plain, strict=True)
        if record is not None and record.status == "ok"
    ]
    return [
        Forecast(setting, predicted * _correction(setting, ratios), record is not None, number_bytes(setting.run.weights))
        for setting, record, predicted in zip(study.settings, records, plain, strict=True)
    ]


def number_bytes(weights: Weights) -> int:
    """Bytes of one of the loaded model's numbers on this machine."""
    half = weights.dtype in ("bf16", "fp16") or (weights.dtype == "auto" and device() == "cuda")
    return 2 if half else 4


def as_text(forecasts: Sequence[Forecast]) -> str:
    """A line for each run, and one for all of them."""
    lines = []
    for each in forecasts:
        run = each.setting.run
        changed = "".join(f" {path}={value}" for path, value in run.settings.items())
        took = f"{duration(each.estimate.seconds)}, {size(each.estimate.peak_bytes)} above the model"
        lines.append(
            f"{run.weights} {run.task} {run.method} {run.shots} shots seed {run.seed} pattern {run.prompt}{changed}: "
            + ("done" if each.done else took)
        )
    left = [each for each in forecasts if not each.done]
    seconds = sum(each.estimate.seconds for each in left)
    peak = max((each.peak_bytes for each in left), default=0.0)
    done = len(forecasts) - len(left)
    early = " (less where training stops early)" if any(each.stops_early for each in left) else ""
    lines.append(
        f"{len(forecasts)} runs, {done} done; the rest takes about {duration(seconds)}{early} and at most {size(peak)} "
        "with the model, each run by itself; nothing was run"
    )
    return "\n".join([*lines, *_too_large(left, free_bytes())])


def _too_large(left: Sequence[Forecast], free: float) -> list[str]:
    """A line for each method that does not fit in memory, with the largest part of it and what to do."""
    lines = {}
    for each in left:
        if each.peak_bytes > free:
            run, model = each.setting.run, ("the model (--dtype bf16, or a smaller one)", each.model_bytes)
            named = sorted([model, *each.estimate.parts], key=lambda part: -part[1])[:2]
            most = " and ".join(f"{size(taken)} for {name}" for name, taken in named)
            lines[str(run.weights), run.method] = (
                f"{run.method} on {run.weights} needs {size(each.peak_bytes)} and {size(free)} are free: {most}"
            )
    return list(lines.values())


def _ratio(record: Record, predicted: Estimate) -> Estimate:
    assert record.adapt is not None
    assert record.predict is not None
    peak = max(record.adapt.peak_bytes, record.predict.peak_bytes)
    seconds = record.adapt.seconds + record.predict.seconds
    return Estimate(seconds / predicted.seconds, peak / predicted.peak_bytes)


def _correction(setting: PlannedRun, ratios: Sequence[tuple[PlannedRun, Estimate]]) -> Estimate:
    """From the model's records of the same method, or of any."""
    of_model = [(other, ratio) for other, ratio in ratios if other.run.weights == setting.run.weights]
    same = [ratio for other, ratio in of_model if other.run.method == setting.run.method]
    found = same or [ratio for _, ratio in of_model]
    if not found:
        return Estimate(1.0, 1.0)
    return Estimate(statistics.median(r.seconds for r in found), statistics.median(r.peak_bytes for r in found))
