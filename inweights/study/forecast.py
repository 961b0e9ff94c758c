"""What a study would take: every run resolved, with time and memory from its token count and this machine's speed.

A forward pass takes 2 operations per parameter and token, training 6 (Kaplan et al. 2020, arXiv 2001.08361, 2.1).
Where the folder has records of the same method, their own seconds are taken instead.
"""

import statistics
import time

from inweights import models
from inweights.methods import Method
from inweights.models.base import LanguageModel
from inweights.settings import settings
from inweights.study.draw import draw
from inweights.study.execute import Setting
from inweights.study.study import Study

UTILISATION = 0.3
"""Of the matrix-product rate that small batches reach; measured on this kind of work, see benchmarks."""


def forecast(study: Study) -> str:
    rate = _rate()
    lines, total = [], 0.0
    loaded: dict[str, LanguageModel] = {}
    known = {
        method: statistics.median(a.seconds + p.seconds for a, p in of_method)
        for method in {r.run.method for r in study.records}
        if (of_method := [(r.adapt, r.predict) for r in study.records if r.run.method == method and r.adapt and r.predict])
    }
    for setting in study.settings:
        name = setting.run.model
        model = loaded.setdefault(name, loaded[name] if name in loaded else models.load(name))
        seconds, size = _cost(setting, model, rate)
        seconds = known.get(setting.run.method, seconds)
        done = study.store.find(setting.run) is not None
        total += 0.0 if done else seconds
        run = setting.run
        lines.append(
            f"{name} {run.task} {run.method} shots {run.shots} seed {run.seed} pattern {run.prompt}: "
            + ("done" if done else f"{seconds:.1f} s, {size / 1e6:.0f} MB")
        )
    lines.append(f"{len(study.settings)} runs, about {total / 60:.1f} minutes at {rate / 1e9:.0f} GFLOP/s; nothing was run")
    return "\n".join(lines)


def _cost(setting: Setting, model: LanguageModel, rate: float) -> tuple[float, float]:
    """Seconds, and peak bytes above the loaded model."""
    run = setting.run
    shots = draw(setting.task, run.shots, run.seed)
    length = _mean_tokens(model, setting, [*shots.labelled[:32]] or [*setting.task.splits["train"].load()[:32]])
    queries = sum(min(len(split.load()), run.limit or 10**9) for split in setting.task.evaluation.values())
    flat = settings(setting.method)
    parameters = model.card.parameters
    demonstrations = 0 if "schedule.lr" in flat or flat.get("demonstrations") == 0 else run.shots
    members = int(str(flat.get("members", 1)))
    tokens = members * (queries + demonstrations) * length
    operations = 2 * parameters * tokens
    size = 4.0 * run.budget.batch_tokens * model.hidden_size * 12
    if "schedule.lr" in flat:
        trained = _trained(setting.method, model)
        items = min(int(str(flat.get("pool_size", run.shots))), 512)
        seen = length * int(str(flat["schedule.epochs"])) * (items if "pool_size" in flat else run.shots)
        operations += 6 * parameters * seen
        if "contexts" in flat:
            operations += 2 * parameters * int(str(flat["contexts"])) * (items + run.shots) * length
        size += 16.0 * trained
    return operations / (rate * UTILISATION), size


def _trained(method: Method, model: LanguageModel) -> int:
    update = method.update  # type: ignore[attr-defined]
    return sum(parameter.numel() for parameter in update.apply(model, 0).parameters.values())


def _mean_tokens(model: LanguageModel, setting: Setting, examples: list) -> float:  # type: ignore[type-arg]
    encoded = model.encode([setting.prompt.body(example) for example in examples])
    return statistics.mean(map(len, encoded))


def _rate() -> float:
    """Floating-point operations per second of a matrix product here, the best of a few."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    a, best = torch.randn(1024, 1024, device=device), 0.0
    for _ in range(5):
        started = time.perf_counter()
        (a @ a).sum().item()
        best = max(best, 2 * 1024**3 / (time.perf_counter() - started))
    return best
