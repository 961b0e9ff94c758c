"""The one training loop: batches, a loss, a schedule; for one run or for several at the same time.

Runs that train together share only their forward and backward passes. Each has its own batches, stream of random numbers,
clipping, schedule and end, and gives the result that it would give alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inweights.engine.embedding_gradients import gradients_added
from inweights.engine.stacked_runs import RandomStreams
from inweights.engine.switches import in_mode
from inweights.training.jobs import Job, RunningJob, Trace
from inweights.training.resume import Resume
from inweights.training.step import Losses, Pieces, backward
from inweights.training.watching import Watch, current_watch
from inweights.types import is_out_of_memory

T = TypeVar("T")
Loss = Callable[[Sequence[T]], Float[Tensor, " items"]]
"""One number per item. The mean over a batch is minimised, in whatever pieces the batch is computed."""


def minimize(
    loss: Loss[T],
    job: Job[T],
    module: nn.Module,
    *,
    most_steps: int | None = None,
    snapshots: int = 0,
    pieces: Callable[[Sequence[T]], Sequence[Sequence[T]]] = lambda batch: [batch],
    autocast: Literal["", "bf16", "fp16"] = "",
    resume: Resume | None = None,
    watch: Watch | None = None,
) -> Trace:
    """`minimize_together` for one run."""

    def losses(batches: Mapping[int, Sequence[T]]) -> Mapping[int, Tensor]:
        return {0: loss(batches[0])}

    def of_run(_: int, batch: Sequence[T]) -> Sequence[Sequence[T]]:
        return pieces(batch)

    [trace] = minimize_together(
        losses,
        [job],
        module,
        most_steps=most_steps,
        snapshots=snapshots,
        pieces=of_run,
        autocast=autocast,
        resume=resume,
        watch=watch,
    )
    return trace


def minimize_together(
    losses: Losses[T],
    jobs: Sequence[Job[T]],
    module: nn.Module,
    *,
    most_steps: int | None = None,
    snapshots: int = 0,
    pieces: Pieces[T] = lambda run, batch: [batch],
    autocast: Literal["", "bf16", "fp16"] = "",
    resume: Resume | None = None,
    watch: Watch | None = None,
) -> list[Trace]:
    """Minimise each job's mean loss over shuffled batches of its items; parameters change in place.

    `snapshots`: how many copies of the parameters to keep, at equal distances, the last at the end. `pieces`: splits a
    batch, whose gradient is the sum over its pieces; where memory still runs out, a step is repeated in smaller pieces.
    `autocast`: precision of forward passes; in fp16 each run's losses have a scale of their own. `resume`: where a single
    run's state is kept, and from where it is resumed. `watch(step, total_steps, loss)` is called after each step of the
    first run.

    Order and dropout have their own seeds, and the global random generators are left as they were. `module` is in training
    mode (dropout on) only while this runs. Raises DivergedError at the first loss that is not finite.
    """
    device = next(iter(jobs[0].parameters.values())).device
    scaled = autocast == "fp16"
    runs = [RunningJob(job, most_steps, snapshots, torch.amp.GradScaler(device.type, enabled=scaled)) for job in jobs]
    precision = {"": None, "bf16": torch.bfloat16, "fp16": torch.float16}[autocast]
    streams = RandomStreams([job.seeds.dropout for job in jobs], device)
    cut, first = 1, runs[0]  # batches are cut into `cut` parts each, more of them once memory has run out
    assert resume is None or (len(runs) == 1 and not snapshots and not scaled), "the state of these is not kept"
    done = first.resumed(resume, streams) if resume else 0
    with ExitStack() as stack:
        stack.enter_context(_generators_kept(device))
        stack.enter_context(in_mode(module, training=True))
        stack.enter_context(torch.enable_grad())  # the caller may have turned gradients off
        stack.enter_context(gradients_added())
        for step in range(done, max(run.steps for run in runs)):
            active = [number for number, run in enumerate(runs) if step < run.steps]
            batches = {number: runs[number].begin(step) for number in active}
            while True:  # until the step fits in memory
                states = list(streams.states)
                try:
                    totals = backward(losses, runs, batches, pieces, cut, streams, step, precision)
                    break
                except Exception as error:
                    if not is_out_of_memory(error) or cut >= max(map(len, batches.values())):
                        raise
                # Outside of the handler, which would keep the failed pass's tensors alive. The step begins again with the
                # random numbers that it had, and later steps stay as small, since they would fail, too.
                cut, streams.states = 2 * cut, states
                for number in active:
                    runs[number].optimizer.zero_grad(set_to_none=True)
            for number in active:
                runs[number].end(step, totals[number])
            if resume and resume.due:  # by time and not by steps: a step may take milliseconds or minutes
                resume.keep(first.job.parameters, first.optimizer, streams.states, first.losses)
            if (hearer := watch or current_watch()) and 0 in totals:
                hearer(step + 1, first.steps, totals[0])
    if resume and done < first.steps:
        resume.keep(first.job.parameters, first.optimizer, streams.states, first.losses)
    return [run.trace() for run in runs]


@contextmanager
def _generators_kept(device: torch.device) -> Iterator[None]:
    """Within, random numbers may be drawn; torch's global generators are then put back as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
