"""One run: draw shots, fit, score every evaluation set, write all of it down. The one place that catches."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import mean
from typing import TypeVar

import torch
from torch import Tensor

from inweights.engine.out_of_memory import is_out_of_memory
from inweights.meter import measure
from inweights.methods import Fitted, Method
from inweights.metrics import METRICS
from inweights.models.base import LanguageModel
from inweights.scoring.target_cache import reused
from inweights.settings import settings
from inweights.study.draw import draw
from inweights.study.sizes import artifact_bytes, changed_parameters
from inweights.study.tuning import tuned
from inweights.types import Cost, DivergedError, Example, Outcome, Prompt, Record, Run, Shots, Split, Status, Task

T = TypeVar("T")
DECIMALS = 5
"""Of the probabilities that a record keeps."""


@dataclass(frozen=True)
class PlannedRun:
    """All that a run needs, resolved and checked before the first run starts."""

    run: Run
    task: Task
    prompt: Prompt
    method: Method
    environment: Mapping[str, str] = field(default_factory=dict)
    """What else a record should say of its ground, such as the digest of the data."""


@dataclass(frozen=True)
class Loaded:
    """The backbone in memory, shared by all runs of this process."""

    model: LanguageModel
    cost: Cost
    environment: Mapping[str, str]


def execute(setting: PlannedRun, loaded: Loaded) -> Record:
    """A record in any case: of figures, or of the reason why there are none. Ctrl-C goes through."""
    return _recorded(setting, loaded, partial(_execute, setting, loaded))


def execute_together(together: Sequence[PlannedRun], loaded: Loaded) -> Iterator[Record]:
    """The same for runs that differ in their seed alone: fitted in one go, then scored one after the other.

    Seconds and tokens of adapting are each one's share; the peak is that of all, for who trains so needs it. Where it
    fails, whatever the reason, every run is done alone, so that it comes out as it would have.
    """
    first, draws = together[0], [draw(each.task, each.run.shots, each.run.seed) for each in together]
    fitted: list[Fitted] = []
    # What fails keeps its tensors alive until its error is let go of, which is when this block is left.
    with suppress(Exception):
        fitted, whole = _adapted(lambda: first.method.fit(loaded.model, first.prompt, draws, first.run.budget), loaded.model)
        share = replace(whole, seconds=whole.seconds / len(together), tokens=round(whole.tokens / len(together)))
    if not fitted:
        yield from (execute(setting, loaded) for setting in together)
        return
    for setting, each, shots in zip(together, fitted, draws, strict=True):
        yield _recorded(setting, loaded, partial(_scored, setting, loaded, each, shots, {}, share))


def _adapted(work: Callable[[], T], model: LanguageModel) -> tuple[T, Cost]:
    """What `work` gives and costs; what an earlier try has spent on a teacher's targets that it finds is counted too."""
    before = reused()
    result, cost = measure(work, model.counter)
    seconds, tokens = (now - then for now, then in zip(reused(), before, strict=True))
    return result, replace(cost, seconds=cost.seconds + seconds, tokens=cost.tokens + round(tokens))


def _recorded(setting: PlannedRun, loaded: Loaded, run: Callable[[], Record]) -> Record:
    try:
        return run()
    except Exception as error:
        return Record(
            run=setting.run,
            status=_status(error),
            reason=_line(error),
            labels=setting.prompt.labels,
            load=loaded.cost,
            settings=settings(setting.method),
            environment={**loaded.environment, **setting.environment},
        )


def fit(setting: PlannedRun, model: LanguageModel) -> tuple[Fitted, Shots, Mapping[str, object]]:
    """The fitted method of a run, its shots, and what tuning chose. The same for the same run, every time."""
    shots = draw(setting.task, setting.run.shots, setting.run.seed)
    method: Method = setting.method
    chosen: Mapping[str, object] = {}
    if setting.run.tune:
        method, chosen = tuned(setting.method, setting.run.tune, model, setting.prompt, shots, setting.run.budget)
    [fitted] = method.fit(model, setting.prompt, [shots], setting.run.budget)
    return fitted, shots, chosen


def _execute(setting: PlannedRun, loaded: Loaded) -> Record:
    (fitted, shots, chosen), adapt = _adapted(lambda: fit(setting, loaded.model), loaded.model)
    return _scored(setting, loaded, fitted, shots, chosen, adapt)


def _scored(
    setting: PlannedRun, loaded: Loaded, fitted: Fitted, shots: Shots, chosen: Mapping[str, object], adapt: Cost
) -> Record:
    """The record of a fitted method, scored on every evaluation set."""
    model = loaded.model
    evaluation = {
        name: limited(split.load(), setting.run.limit, f"{setting.task.name} {name}")
        for name, split in setting.task.evaluation.items()
    }
    outcomes, predict = measure(lambda: _outcomes(setting.task, fitted, evaluation), model.counter)
    for outcome in outcomes.values():
        if outcome.log_loss is None:
            raise DivergedError("a label score was not finite: lower the learning rate")
    return Record(
        run=setting.run,
        status="ok",
        labels=setting.prompt.labels,
        outcomes=outcomes,
        oracles=oracles_of(setting.task, fitted, evaluation),
        load=loaded.cost,
        adapt=adapt,
        predict=predict,
        queries=sum(map(len, evaluation.values())),
        trained_parameters=changed_parameters(fitted, model),
        optimizer_bytes=fitted.optimizer_bytes,
        artifact_bytes=artifact_bytes(fitted),
        indices=shots.indices,
        losses=tuple(round(loss, 6) for loss in fitted.losses),
        settings=settings(setting.method),
        notes={
            "metric": setting.task.metric,
            **fitted.notes,
            **fitted.diagnostics(),
            **chosen,
            **_fallbacks(fitted, evaluation),
        },
        environment={**loaded.environment, **setting.environment},
    )


def oracles_of(task: Task, fitted: Fitted, evaluation: Mapping[str, Sequence[Example]]) -> dict[str, dict[str, Outcome]]:
    """The best snapshot by in-domain and by out-of-domain accuracy (Mosbach et al. 2023); empty without snapshots.

    Scored outside the predict phase. Keeping the snapshots is part of adapting: a study that asks for them is about
    accuracy, and its peak memory is that of training plus the snapshots.
    """
    scored = [_outcomes(task, snapshot, evaluation) for snapshot in fitted.snapshots.values()]
    found = {}
    for rule, domain in (("best in-domain", "in-domain"), ("best out-of-domain", "out-of-domain")):
        if scored and any(outcome.domain == domain for outcome in scored[0].values()):
            found[rule] = max(scored, key=partial(_accuracy_on, domain=domain))
    return found


def _accuracy_on(outcomes: Mapping[str, Outcome], domain: str) -> float:
    return mean(score for outcome in outcomes.values() if outcome.domain == domain for score in outcome.scores)


def _fallbacks(fitted: Fitted, evaluation: Mapping[str, Sequence[Example]]) -> dict[str, object]:
    """How many examples of which set were too long to be scored as they are, by what was done about it."""
    found = {name: fitted.readout.fallbacks(examples) for name, examples in evaluation.items()}
    return {"fallbacks": {name: counts for name, counts in found.items() if counts}} if any(found.values()) else {}


def _outcomes(task: Task, fitted: Fitted, evaluation: Mapping[str, Sequence[Example]]) -> dict[str, Outcome]:
    return {name: outcome(task.splits[name], fitted, examples, task.metric) for name, examples in evaluation.items()}


def outcome(split: Split, fitted: Fitted, examples: Sequence[Example], metric: str = "accuracy") -> Outcome:
    """Every example is scored; `log_loss` is None where a label's score is not finite."""
    scores, labels = fitted.readout(examples), fitted.readout.prompt.labels
    predicted = scores.argmax(-1).tolist()
    gold = [example.label for example in examples if example.label is not None]
    if split.reads_as:
        merged = torch.full((len(examples), max(split.reads_as) + 1), -torch.inf)
        for label, read in enumerate(split.reads_as):
            merged[:, read] = torch.logaddexp(merged[:, read], scores[:, label])
        predicted = [split.reads_as[label] for label in predicted]
        scores = merged
    loss = torch.nn.functional.cross_entropy(scores.float(), torch.tensor(gold)).item()
    subsets = tuple(example.subset for example in examples)
    finite = bool(torch.isfinite(scores).all())
    answers, right = tuple(labels[i] for i in predicted), tuple(labels[i] for i in gold)
    return Outcome(
        split.domain,
        scores=tuple(map(METRICS[metric], answers, right)),
        answers=answers,
        gold=right,
        subsets=subsets if any(subsets) else (),
        log_loss=loss if finite else None,
        probabilities=_probabilities(scores) if finite else (),
    )


def _probabilities(scores: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(each, DECIMALS) for each in row) for row in scores.float().softmax(-1).tolist())


def limited(examples: Sequence[Example], limit: int | None, name: str) -> Sequence[Example]:
    """The same rows for every method and seed, in the order of the file."""
    if limit is None or limit >= len(examples):
        return examples
    return [examples[i] for i in sorted(random.Random(name).sample(range(len(examples)), limit))]


def _status(error: Exception) -> Status:
    if isinstance(error, DivergedError):
        return "diverged"
    return "out-of-memory" if is_out_of_memory(error) else "failed"


def _line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
