"""The results of a run: all that a report may read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from inweights.types.runs import Run
from inweights.types.tasks import Domain


@dataclass(frozen=True)
class Cost:
    """What a phase of a run took."""

    seconds: float
    """Wall-clock time."""
    tokens: int
    """That went through the model, a shared prefix counted once."""
    peak_bytes: int
    """The maximum memory in use during the phase, above what was in use when it began."""
    resident_bytes: int
    """In use when the phase began: the loaded model, the libraries."""
    meter: str
    """What measured `peak_bytes`, such as `VmHWM` (the kernel) or `cuda allocator`."""
    cpu_seconds: float | None = None
    """Of this process, all its threads together; None in older records."""
    others_cores: float | None = None
    """Cores that other processes kept busy meanwhile, on average; None where the kernel does not say."""
    load_average: float | None = None
    """The kernel's, of the minute before the phase ended."""


@dataclass(frozen=True)
class Latency:
    """Seconds of one query at a time, with the whole prompt read for each."""

    median: float
    p95: float
    queries: int
    """How many were timed."""


@dataclass(frozen=True)
class Outcome:
    """What a run answered on one evaluation set, example by example."""

    domain: Domain
    scores: tuple[float, ...]
    """In the task's metric, from 0 to 1; 0 or 1 where answers are labels."""
    answers: tuple[str, ...]
    """Names of labels, or generated texts."""
    gold: tuple[str, ...]
    subsets: tuple[str, ...] = ()
    """Empty where the set has no parts, else one per example."""
    log_loss: float | None = None
    """Mean negative log-probability of the gold label after a softmax over the labels; nats."""
    probabilities: tuple[tuple[float, ...], ...] = ()
    """Of every label, in the order of the record's labels, per example; empty for generated texts."""
    gold_log_probs: tuple[float, ...] = ()
    """Of the gold text as an answer, nats per token, per example; empty where answers are labels."""


Status = Literal["ok", "failed", "out-of-memory", "diverged"]


FAILED: tuple[Status, ...] = ("failed", "out-of-memory", "diverged")
"""Statuses of runs that `--retry-failed` does again."""


@dataclass(frozen=True)
class Record:
    """The results of one run: all that a report may read."""

    run: Run
    status: Status
    reason: str = ""
    """Of a failure, in one line."""
    labels: tuple[str, ...] = ()
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    """By evaluation set."""
    oracles: Mapping[str, Mapping[str, Outcome]] = field(default_factory=dict)
    """Outcomes of the checkpoint that an evaluation set would have selected, by the rule: a diagnostic that no method
    may use, kept for protocols whose published figures were selected so."""
    load: Cost | None = None
    adapt: Cost | None = None
    predict: Cost | None = None
    queries: int = 0
    """Examples scored in the predict phase."""
    prepare_seconds: float = 0.0
    """Seconds to encode, once, the part of the prompt that all queries share; 0 where they share none."""
    prepared: int = 0
    """How many times the predict phase encoded that part: once for every evaluation set."""
    latency: Latency | None = None
    first_token: Latency | None = None
    """Until the first token of an answer has come, where answers are texts."""
    kv_bytes: int = 0
    """Of the keys and values that a request holds for its context, where that has been measured."""
    with_context: Mapping[str, Outcome] = field(default_factory=dict)
    """Outcomes of a model that has learned a context with the right piece of it in the prompt again."""
    trained_parameters: int = 0
    """The number of parameters whose values changed."""
    optimizer_bytes: int = 0
    artifact_bytes: int = 0
    """The size of what has to be stored to use this fitted method again, without the backbone."""
    indices: tuple[int, ...] = ()
    losses: tuple[float, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    """Every setting of the method, resolved."""
    notes: Mapping[str, object] = field(default_factory=dict)
    """Further results of the method: demonstrations used, teacher accuracy, chosen learning rate."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Versions, hardware, hashes of the model and the data."""

    @property
    def seconds_per_query(self) -> float | None:
        """Of many queries at once, without the encoding of what they share; None where nothing was predicted."""
        if not self.predict or not self.queries:
            return None
        # Both are measured, so that their difference could be 0 or less where they are nearly equal.
        left = max(self.predict.seconds - self.prepared * self.prepare_seconds, 0.05 * self.predict.seconds)
        return left / self.queries
