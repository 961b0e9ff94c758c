"""One batch of runs: draw shots, fit, score every evaluation set, make records. Only here errors become records."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from inweights.meter import measure
from inweights.methods import METHODS, Fitted
from inweights.models.base import Backbone
from inweights.models.training_forward import stackable
from inweights.scoring.target_cache import reused
from inweights.settings import settings
from inweights.study.batches import Batch
from inweights.study.draw import draw
from inweights.study.latency import latency
from inweights.study.outcomes import limited, oracles_of, outcomes
from inweights.study.planned import Loaded, PlannedRun
from inweights.study.sizes import artifact_bytes, changed_parameters
from inweights.study.tuning import Candidate, tuned
from inweights.types import Cost, DivergedError, Example, Record, Shots, Status, is_out_of_memory

T = TypeVar("T")


def do(batch: Batch, loaded: Loaded) -> Iterator[Record]:
    """The record of each run, as soon as it is made. A function of this module, so that it can be sent to a process."""
    if batch[1:] and stackable([loaded.model]):
        yield from _together(batch, loaded)
    else:
        yield from (execute(each, loaded) for each in batch)


def execute(setting: PlannedRun, loaded: Loaded) -> Record:
    """A record in any case, with results or with the reason why there are none. Ctrl-C is not caught."""
    return _recorded(setting, loaded, partial(_execute, setting, loaded))


def _together(together: Sequence[PlannedRun], loaded: Loaded) -> Iterator[Record]:
    """The same for runs that differ in their seed alone: fitted in one go, then scored one after the other.

    Seconds and tokens of adapting are each one's share; the peak is that of all, for who trains so needs it. Where it
    fails, whatever the reason, every run is done alone, so that it comes out as it would have.
    """
    first, draws = together[0], [draw(each.task, each.run.shots, each.run.seed) for each in together]
    fitted: list[Fitted] = []
    # An error keeps the tensors of the failed run alive until this block is left.
    with suppress(Exception):
        fitted, whole = _adapted(lambda: first.method.fit(loaded.model, first.prompt, draws, first.run.budget), loaded.model)
        share = _share(whole, len(together))
    if not fitted:
        yield from (execute(setting, loaded) for setting in together)
        return
    for setting, each, shots in zip(together, fitted, draws, strict=True):
        yield _recorded(setting, loaded, partial(_scored, setting, loaded, each, shots, {}, share))


def _share(whole: Cost, runs: int) -> Cost:
    cpu = None if whole.cpu_seconds is None else whole.cpu_seconds / runs
    return replace(whole, seconds=whole.seconds / runs, tokens=round(whole.tokens / runs), cpu_seconds=cpu)


def _adapted(work: Callable[[], T], model: Backbone) -> tuple[T, Cost]:
    """The result and the cost of `work`, with what an earlier attempt spent on the teacher targets that it reuses."""
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


def fit(setting: PlannedRun, model: Backbone) -> tuple[Fitted, Shots, Mapping[str, object]]:
    """The fitted method of a run, its shots, and what tuning chose. The same run always gives the same result."""
    shots = draw(setting.task, setting.run.shots, setting.run.seed)
    chosen = Candidate(setting.method, setting.prompt)
    notes: Mapping[str, object] = {}
    if setting.run.tune:
        chosen, notes = tuned(setting.method, setting.run.tune, model, setting.prompts, shots, setting.run.budget)
    [fitted] = chosen.method.fit(model, chosen.prompt, [shots], setting.run.budget)
    return fitted, shots, notes


def _execute(setting: PlannedRun, loaded: Loaded) -> Record:
    (fitted, shots, chosen), adapt = _adapted(lambda: fit(setting, loaded.model), loaded.model)
    return _scored(setting, loaded, fitted, shots, chosen, adapt)


def _scored(
    setting: PlannedRun, loaded: Loaded, fitted: Fitted, shots: Shots, chosen: Mapping[str, object], adapt: Cost
) -> Record:
    """The record of a fitted method, scored on every evaluation set."""
    model, prompt = loaded.model, fitted.readout.prompt
    evaluation = {
        name: limited(split.load(), setting.run.limit, f"{setting.task.name} {name}")
        for name, split in setting.task.evaluation.items()
    }
    answered, predict = measure(lambda: outcomes(setting.task, fitted, evaluation), model.counter)
    for outcome in answered.values():
        if outcome.log_loss is None:
            raise DivergedError("a label score was not finite: lower the learning rate")
    one_query, shared = latency(fitted.readout, [example for examples in evaluation.values() for example in examples])
    return Record(
        run=setting.run,
        status="ok",
        labels=setting.prompt.labels,
        outcomes=answered,
        oracles=oracles_of(setting.task, fitted, evaluation),
        load=loaded.cost,
        adapt=adapt,
        predict=predict,
        queries=sum(map(len, evaluation.values())),
        prepare_seconds=shared,
        prepared=len(evaluation),
        latency=one_query,
        trained_parameters=changed_parameters(fitted, model),
        optimizer_bytes=fitted.optimizer_bytes,
        artifact_bytes=artifact_bytes(fitted),
        indices=shots.indices,
        losses=tuple(round(loss, 6) for loss in fitted.losses),
        settings=settings(setting.method),
        notes={
            "metric": setting.task.metric,
            "pattern": prompt.pattern + prompt.answer_prefix,
            "label_words": list(prompt.verbalizer),
            **({} if setting.run.method in METHODS else {"own_method": True}),
            **({"independent_of_draws": True} if setting.independent else {}),
            **fitted.notes,
            **fitted.diagnostics(),
            **chosen,
            **_fallbacks(fitted, evaluation),
        },
        environment={**loaded.environment, **setting.environment},
    )


def _fallbacks(fitted: Fitted, evaluation: Mapping[str, Sequence[Example]]) -> dict[str, object]:
    """The number of examples of each set that were too long to be scored as they are, by what was done about it."""
    found = {name: fitted.readout.fallbacks(examples) for name, examples in evaluation.items()}
    return {"fallbacks": {name: counts for name, counts in found.items() if counts}} if any(found.values()) else {}


def _status(error: Exception) -> Status:
    if isinstance(error, DivergedError):
        return "diverged"
    return "out-of-memory" if is_out_of_memory(error) else "failed"


def _line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
