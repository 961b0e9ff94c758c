"""What learning a context came to: every system's answers and costs in one typed record, and the record as JSON."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
FORMAT = 1
HELD_OUT, TEST = "held-out", "test"
MINIMUM_QUESTIONS = 20
"""For an interval or a verdict; a share of fewer questions stands alone."""


@dataclass(frozen=True)
class Recovered:
    """A share with its 95 % interval by a bootstrap over questions; None where it cannot be told from noise."""

    value: float | None
    low: float | None = None
    high: float | None = None
    questions: int = 0


@dataclass(frozen=True)
class Spread:
    """Of a time in seconds, over queries asked one at a time."""

    median: float
    p95: float


@dataclass(frozen=True)
class EvaluationSet:
    """Questions that every system answers, with the texts that count as right."""

    questions: tuple[str, ...]
    gold: tuple[str, ...]
    kinds: tuple[str, ...]
    """Such as `worded`, `paraphrased`, `absent`; "" where nobody has named one."""
    places: tuple[float, ...]
    """Where in the document each answer stands, from 0 to 1."""
    metric: str
    """The primary one, which `scores` are in: a name of METRICS."""
    given: bool
    """The gold answers were given; else they are the teacher's own."""
    available: int
    """Questions before some were drawn."""


@dataclass(frozen=True)
class Answers:
    """One system's answers to an evaluation set, question by question."""

    answers: tuple[str, ...]
    """Greedy, generated freely."""
    scores: tuple[float, ...]
    """In the set's primary metric, from 0 to 1."""
    gold_log_probs: tuple[float, ...]
    """Of the gold answer after a natural opening; nats per token."""


@dataclass(frozen=True)
class SystemResult:
    """Something that can answer about a context, what it answered and what that cost."""

    name: str
    method: str
    """As a method of a study, such as `icl` or `distill+lora`."""
    outcomes: Mapping[str, Answers]
    """By evaluation set."""
    seconds: Spread
    """Of a query."""
    first_token: Spread
    with_context: Mapping[str, Answers] = field(default_factory=dict)
    """By evaluation set, with the right piece of the context in the prompt again; empty where nothing was trained."""
    context_tokens: int = 0
    kv_bytes: int = 0
    adapt_seconds: float = 0.0
    artifact_bytes: int = 0
    trained_parameters: int = 0


@dataclass(frozen=True)
class Collateral:
    """What learning has done to prompts that nothing was trained on."""

    neutral_kl: float | None
    """Nats per token on texts that the model writes from nothing."""
    contexts_read: float | None
    """Agreement of greedy answers with the bare model's where other contexts stand in the prompt, from 0 to 1."""


@dataclass(frozen=True)
class FormResult:
    """What one form of the learned context has taken over from the teacher, and what it has cost."""

    information: Recovered
    """R_KL: the share of the teacher's divergence from the bare model that is gone, teacher-forced."""
    free: Recovered
    """R_free: the share of the gap in the primary metric that greedy answers recover."""
    parting: Recovered
    """R_KL - R_free over the same questions."""
    gold_log_prob: Recovered
    """The share of the gap in the gold answer's log-probability."""
    collateral: Collateral
    rounds: tuple[float | None, ...]
    """Information recovered after each round."""
    answers_learned: int
    answers_held_out: int
    synthetic_tokens: int
    seconds: Mapping[str, float]
    """By phase."""
    artifact_bytes: int = 0
    unlearned: Mapping[str, int] = field(default_factory=dict)
    """Of an update: `questions` whose answer is another now, those answered `as_now`, those `still_old`."""

    @property
    def parts(self) -> bool:
        """Whether free answers recover less than the teacher-forced figure promises, by over .1 and outside noise."""
        apart = self.parting
        return apart.value is not None and apart.low is not None and apart.value > 0.1 and apart.low > 0


@dataclass(frozen=True)
class Skipped:
    """A source that was not read."""

    source: str
    reason: str


@dataclass(frozen=True)
class LearnReport:
    """All that a report of a learned context may read."""

    tokens: int
    """Of the context."""
    pieces: int
    kv_bytes_per_token: int
    sets: Mapping[str, EvaluationSet]
    """`test` where questions with right answers were given, `held-out` where some were held out."""
    systems: Mapping[str, SystemResult]
    forms: Mapping[str, FormResult]
    peak_bytes: int = 0
    evaluation_seconds: float = 0.0
    skipped: tuple[Skipped, ...] = ()
    format: int = FORMAT

    @property
    def primary(self) -> str:
        """The evaluation set that verdicts are about: given questions before those held out; "" where none was asked."""
        return next((name for name in (TEST, HELD_OUT) if name in self.sets), "")

    @property
    def questions(self) -> int:
        return len(self.sets[self.primary].questions) if self.sets else 0


def system_of(form: str) -> str:
    """The name of a form among the systems."""
    return f"distilled ({form})"


def restored(kind: type[T], value: Any) -> T:
    """A value of the dataclass `kind` from JSON. Raises KeyError, TypeError or ValueError where it is not one."""
    found: T = _dataclass(kind, value)
    return found


def _restored(kind: Any, value: Any) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any or kind is object:
        return value
    if is_dataclass(kind):
        return _dataclass(kind, value)
    if origin in (Union, types.UnionType):
        return None if value is None else _restored(next(each for each in inner if each is not type(None)), value)
    if origin is tuple:
        return tuple(_restored(inner[0], each) for each in _checked(value, list | tuple))
    if origin is not None and issubclass(origin, Mapping):
        return {str(name): _restored(inner[1], each) for name, each in _checked(value, Mapping).items()}
    return float(_checked(value, int | float)) if kind is float else _checked(value, kind)


def _dataclass(kind: Any, value: Any) -> Any:
    hints = get_type_hints(kind)
    _checked(value, Mapping)
    for each in fields(kind):
        if each.name not in value and each.default is MISSING and each.default_factory is MISSING:
            raise KeyError(each.name)
    if unknown := set(value) - {each.name for each in fields(kind)}:
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    return kind(**{name: _restored(hints[name], each) for name, each in value.items()})


def _checked(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"expected {getattr(kind, '__name__', kind)}, got {value!r}"[:200])
    return value
