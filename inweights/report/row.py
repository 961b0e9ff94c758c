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
    """The number of seeds that gave the same answer to all examples, by evaluation set."""
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
    """The maximum memory in use, with the loaded model and the libraries."""
    metric: str = "accuracy"
    """The task's metric; shown with accuracy, or instead of it where answers are free-form."""
    free_form: bool = False
    """Whether it is a learned context: gold answers are texts, and queries are timed one at a time."""
    oracle: str = ""
    """The rule that selected a checkpoint by an evaluation set: a diagnostic, not a method."""
    latency_seconds: float | None = None
    """Median of one query at a time, over the seeds; None where it was not measured."""
    latency_p95_seconds: float | None = None
    prepare_seconds: float = 0.0
    """Seconds to encode the demonstrations once."""
    shown: int | None = None
    """Number of demonstrations in the prompt, if the method shows any; of the seed with the fewest."""
    once: bool = False
    """Whether it does not depend on the shots: run once, and shown with every number of shots."""
    pattern: str = ""
    """The pattern as text, with its fields; "" in records without it."""
    label_words: tuple[str, ...] = ()
    limit: int | None = None
    """Maximum number of examples scored of each evaluation set."""
    learning_rate: float | None = None
    did_not_train: int = 0
    """The number of seeds whose loss did not fall, or that gave one answer to everything after training."""
    rival: str = ""
    """The best method that trains nothing, with which adapting is compared; "" and the reason where there is none."""
    no_rival: str = ""
    break_even_queries: int | None = None
    """The number of queries after which adapting is cheaper than the rival, whose prompt is read again for every query."""
    break_even_kept_queries: int | None = None
    """The same, if the rival's prompt is encoded once and kept."""
    tied_with: tuple[str, ...] = ()
    """Names of rows that do not differ significantly from this one on the in-domain sets (paired test, Holm, 5 %)."""
    fallbacks: dict[str, dict[str, int]] = field(default_factory=dict)
    """Number of examples that are too long to be read as they are, by evaluation set and remedy; the maximum over seeds."""
    stacked: int = 1
    """Maximum number of seeds that trained in one pass; the cost of adapting is then divided by it."""
    slow_path: str = ""
    """How the model reads prompts if it cannot share their prefix, which is slower; "" if it can."""
    cpu_seconds: float | None = None
    """Seconds of processor time to adapt, over all threads of this process."""
    others_cores: float = 0.0
    """Number of cores that other processes kept busy during measuring: the maximum over runs and phases."""
    prompt: str = ""
    """The name of the pattern; if it was chosen on the shots, each name with its number of seeds."""
    several_patterns: bool = False
    """Whether its task was measured with several patterns, or a pattern was chosen among several."""
    records: tuple[Record, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """The method, with its pattern if there are several: different for all rows that are compared."""
        return f"{self.method} by {self.prompt}" if self.several_patterns else self.method

    @property
    def few(self) -> bool:
        """Whether a learned context was measured on too few questions for intervals, ties and break-even points."""
        return self.free_form and max(self.examples.values()) < MINIMUM_QUESTIONS

    @property
    def beside(self) -> tuple[str, str, int]:
        """What comparable rows have in common."""
        return self.task, self.model, self.shots

    @property
    def pays(self) -> str:
        """The number of queries after which adapting has paid, as text for a table; "" for methods that do not train."""
        if not self.trained_parameters or self.oracle:
            return ""
        if not self.rival:
            return f"- ({self.no_rival})" if self.no_rival else ""
        again, kept = (None if n is None else f"{n:,}" for n in (self.break_even_queries, self.break_even_kept_queries))
        first = "never" if again is None else f"{again} {'query' if again == '1' else 'queries'}"
        text = first if again == kept else f"{first} ({kept or 'never'} if kept)"
        return f"{text}, slow path" if self.slow_path else text

    def mean_over(self, domain: str) -> float | None:
        """Mean accuracy over the sets of a domain; None if there are none."""
        values = [self.accuracy[name].mean for name, each in self.domains.items() if each == domain]
        return mean(values) if values else None

    def bounds(self, name: str) -> dict[str, float | None]:
        """Of an evaluation set, as data; no interval where a part of the questions is too few for one."""
        interval = self.accuracy[name]
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
            "accuracy": {name: self.bounds(name) for name in self.accuracy},
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
