"""What learning a context came to: a record of every system that answers about it, and what each form has recovered."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from inweights.metrics import Metric
from inweights.sources.types import Skipped
from inweights.types import Record

FORMAT = 3
"""Of a context card. 2 had answers and costs in types of its own."""
AGAIN = "learn it again"
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


def parts(apart: Recovered) -> bool:
    """Whether R_KL - R_free is over .1 and outside noise."""
    return apart.value is not None and apart.low is not None and apart.value > 0.1 and apart.low > 0


@dataclass(frozen=True)
class EvaluationSet:
    """Questions that every system answers."""

    questions: tuple[str, ...]
    kinds: tuple[str, ...]
    """Such as `worded`, `paraphrased`, `absent`; "" where nobody has named one."""
    places: tuple[float, ...]
    """Where in the document each answer stands, from 0 to 1."""
    metric: Metric
    """The primary one, which scores are in."""
    given: bool
    """The gold answers were given; else they are the teacher's own."""
    available: int
    """Questions before some were drawn."""


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
        return parts(self.parting)


@dataclass(frozen=True)
class LearnReport:
    """All that a report of a learned context may read."""

    tokens: int
    """Of the context."""
    pieces: int
    kv_bytes_per_token: int
    sets: Mapping[str, EvaluationSet]
    """`test` where questions with right answers were given, `held-out` where some were held out."""
    systems: Mapping[str, Record]
    """By name: the model alone, what stands in a prompt, what was trained."""
    forms: Mapping[str, FormResult]
    peak_bytes: int = 0
    evaluation_seconds: float = 0.0
    skipped: tuple[Skipped, ...] = ()
    asker: str = ""
    """The model that wrote the questions; "": the one that learned."""
    teacher: str = ""
    """The model that answered them with the context; "": the one that learned."""

    @property
    def primary(self) -> str:
        """The evaluation set that verdicts are about: given questions before those held out; "" where none was asked."""
        return next((name for name in (TEST, HELD_OUT) if name in self.sets), "")

    @property
    def questions(self) -> int:
        return len(self.sets[self.primary].questions) if self.sets else 0


TEACHER = "icl-piece"
"""The system whose answers are learned: the model with the right piece of the context in its prompt."""


def system_of(form: str) -> str:
    """The name of a form among the systems."""
    return f"distilled ({form})"
