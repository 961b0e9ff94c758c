"""One line of a report: a task, a model, a method and a number of shots, over its seeds."""

from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from inweights.learn_records import MINIMUM_QUESTIONS
from inweights.report.statistics import Interval
from inweights.types import Record


@dataclass(frozen=True)
class Row:
    task: str
    model: str
    method: str
    shots: int
    seeds: tuple[int, ...]
    accuracy: dict[str, Interval]
    domains: dict[str, str]
    examples: dict[str, int]
    majority: dict[str, float]
    mcc: dict[str, float]
    constant: dict[str, int]
    """Seeds that gave one answer to everything, per evaluation set."""
    confusion: dict[str, list[list[int]]]
    subsets: dict[str, dict[str, float]]
    labels: tuple[str, ...]
    adapt_seconds: float
    seconds_per_query: float
    peak_bytes: int
    trained_parameters: int
    optimizer_bytes: int
    artifact_bytes: int
    memory_bytes: int = 0
    """The most in use at any instant, the loaded model and the libraries included."""
    metric: str = "accuracy"
    """Other than accuracy: shown beside it, or in its place where answers are free-form."""
    free_form: bool = False
    """Of a learned context: gold answers are texts, and queries are timed one at a time."""
    oracle: str = ""
    """How a checkpoint was selected where that looked at an evaluation set: a diagnostic, not a method."""
    latency_seconds: float | None = None
    """Median of one query at a time, over the seeds; None where it was not measured."""
    latency_p95_seconds: float | None = None
    prepare_seconds: float = 0.0
    """To encode the demonstrations once."""
    shown: int | None = None
    """Demonstrations in the prompt, where the method shows any; of the seed that shows fewest."""
    once: bool = False
    """No draw of shots changes it: run once, shown beside every number of shots."""
    pattern: str = ""
    """As text, with its fields; "" in records that do not hold it."""
    label_words: tuple[str, ...] = ()
    limit: int | None = None
    """Maximum number of examples scored of each evaluation set."""
    learning_rate: float | None = None
    did_not_train: int = 0
    """Seeds whose loss stayed where it was, or that gave one answer to everything after training."""
    rival: str = ""
    """The best method that trains nothing, against which adapting has to pay; "" where there is none, with the reason."""
    no_rival: str = ""
    break_even_queries: int | None = None
    """From which adapting is cheaper than the rival, whose prompt is read again at every query."""
    break_even_kept_queries: int | None = None
    """The same, where the rival's prompt is encoded once and kept."""
    tied_with: tuple[str, ...] = ()
    """Names of rows that cannot be told from this one on the in-domain sets (paired test, Holm, 5 %)."""
    fallbacks: dict[str, dict[str, int]] = field(default_factory=dict)
    """Examples too long to be read as they are, by evaluation set and what was done; of the seed that had most."""
    stacked: int = 1
    """Seeds that trained in one pass, at the most; what adapting took is then each one's share."""
    slow_path: str = ""
    """How the model reads several prompts, where it cannot share their prefix: slower; "" where it can."""
    cpu_seconds: float | None = None
    """To adapt, of this process's threads together."""
    others_cores: float = 0.0
    """Cores that other processes kept busy while it was measured: of the run and phase with most."""
    prompt: str = ""
    """The name of the pattern; where it was chosen on the shots, each name with the seeds that chose it."""
    several_patterns: bool = False
    """Whether its task was measured by more than one pattern, or they were chosen among."""
    records: tuple[Record, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """The method, by which pattern where there are several: tells apart what stands beside one another."""
        return f"{self.method} by {self.prompt}" if self.several_patterns else self.method

    @property
    def few(self) -> bool:
        """A learned context asked too few questions for intervals, ties and break-even points."""
        return self.free_form and max(self.examples.values()) < MINIMUM_QUESTIONS

    @property
    def beside(self) -> tuple[str, str, int]:
        """What rows that can be compared have in common."""
        return self.task, self.model, self.shots

    @property
    def pays(self) -> str:
        """After how many queries adapting has paid, as a table shows it; "" for methods that do not train."""
        if not self.trained_parameters or self.oracle:
            return ""
        if not self.rival:
            return f"- ({self.no_rival})" if self.no_rival else ""
        again, kept = (None if n is None else f"{n:,}" for n in (self.break_even_queries, self.break_even_kept_queries))
        first = "never" if again is None else f"{again} {'query' if again == '1' else 'queries'}"
        text = first if again == kept else f"{first} ({kept or 'never'} if kept)"
        return f"{text}, slow path" if self.slow_path else text

    def mean_over(self, domain: str) -> float | None:
        """Mean accuracy over the sets of a domain; None where there is none."""
        values = [self.accuracy[name].mean for name, each in self.domains.items() if each == domain]
        return mean(values) if values else None

    def _bounds(self, interval: Interval) -> dict[str, float | None]:
        return {
            "mean": interval.mean,
            "low": None if self.few else interval.low,
            "high": None if self.few else interval.high,
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "model": self.model,
            "method": self.method,
            "name": self.name,
            "shots": self.shots,
            "seeds": len(self.seeds),
            "accuracy": {name: self._bounds(each) for name, each in self.accuracy.items()},
            "metric": self.metric,
            "adapt_seconds": self.adapt_seconds,
            "adapt_cpu_seconds": self.cpu_seconds,
            "others_cores": self.others_cores,
            "slow_path": self.slow_path or None,
            "seconds_per_query": self.seconds_per_query,
            "peak_bytes": self.peak_bytes,
            "trained_parameters": self.trained_parameters,
            "memory_bytes": self.memory_bytes,
            "artifact_bytes": self.artifact_bytes,
            "break_even_queries": self.break_even_queries,
            "break_even_kept_queries": self.break_even_kept_queries,
            "pays_against": self.rival or None,
            "pays": self.pays,
            "latency_seconds": self.latency_seconds,
            "latency_p95_seconds": self.latency_p95_seconds,
            "prepare_seconds": self.prepare_seconds,
            "demonstrations_shown": self.shown,
            "pattern_name": self.prompt,
            "pattern": self.pattern,
            "label_words": list(self.label_words),
            "limit": self.limit,
            "learning_rate": self.learning_rate,
            "did_not_train": self.did_not_train,
            "run_once": self.once,
            "tied_with": list(self.tied_with),
            "domains": self.domains,
            "examples": self.examples,
            "majority": self.majority,
            "mcc": self.mcc,
            "constant_predictions": self.constant,
            "subsets": self.subsets,
            "optimizer_bytes": self.optimizer_bytes,
            "stacked": self.stacked,
            "too_long": self.fallbacks,
            "oracle": self.oracle or None,
        }
