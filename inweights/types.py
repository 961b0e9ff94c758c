"""The plain values that every part passes about. Standard library only, so importing it is free."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from inweights.plain_text import as_data

_FIELD = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_SPACE_MARKS = ("\u0120", "\u2581")
"""How tokenizers spell a space: users of other tools are asked to type them."""


class UserError(ValueError):
    """A mistake of the user's: the command line prints its one line and exits with 2."""


def not_a_dtype(given: str) -> UserError:
    return UserError(f"{given!r} is not a dtype: expected fp32, bf16 or fp16")


class DivergedError(RuntimeError):
    """Training met a loss that is not finite; the study records it and goes on."""


class NothingFitsError(RuntimeError):
    """No method keeps within the limits the user gave; the command line exits with 3."""


@dataclass(frozen=True)
class Example:
    """One input: named text fields, the index of its label (None: not known), the subset it belongs to."""

    fields: Mapping[str, str]
    label: int | None = None
    subset: str = ""
    """Such as `lexical_overlap/ln_subject_object_swap` in HANS; "" where a set has no parts."""


Dtype = Literal["auto", "fp32", "bf16", "fp16"]
Quantization = Literal["", "nf4", "int8"]
Ability = Literal["choices", "text", "states", "prefix", "weights"]
"""What a model can be asked for: scores of given answers, free text, hidden states, keys and values kept in front, and
weights that an update can train beside."""


@dataclass(frozen=True)
class Weights:
    """How a backbone is loaded: part of every run, and of the base model that an export names."""

    name: str
    """A folder, a GGUF file, a hub name or a short name."""
    dtype: Dtype = "auto"
    """`auto`: fp32 on a CPU, bf16 on a GPU that has it."""
    quantization: Quantization = ""

    @classmethod
    def parse(cls, text: str) -> "Weights":
        """From `NAME`, or `NAME@SUFFIX` with a dtype (`path@bf16`) or a quantization (`path@nf4`) as the suffix."""
        name, _, suffix = text.rpartition("@")
        if name and suffix in ("fp32", "bf16", "fp16"):
            return cls(name, dtype=suffix)  # type: ignore[arg-type]
        if name and suffix in ("nf4", "int8"):
            return cls(name, quantization=suffix)  # type: ignore[arg-type]
        if os.path.exists(name) and not os.path.exists(text):
            raise not_a_dtype(suffix)
        return cls(text)

    def __str__(self) -> str:
        suffix = self.quantization or ("" if self.dtype == "auto" else self.dtype)
        return f"{self.name}@{suffix}" if suffix else self.name


@dataclass(frozen=True)
class Query:
    """One question to a model, whatever the task."""

    text: str
    """The prompt up to where the answer begins, without its context."""
    choices: tuple[str, ...] = ()
    """The answers to be scored, as they follow `text` (with their leading space); empty: the model answers freely."""
    context: str = ""
    """Stands in front of `text`; encoded once for all queries that share it."""
    suffix: str = ""
    """Follows the answer: the end of a chat turn, or of a line. Scored with the choice, so that a choice that begins
    another one is told apart from it."""
    gold: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Such as the subset, the kind of question, the place in a document, the source chunk."""


@dataclass(frozen=True)
class ChatFrame:
    """What a chat template puts around turns; the texts between are the user's and the assistant's."""

    opening: str
    """In front of the first user's text, such as a system turn and the start of a user turn."""
    reply: str
    """Between a user's text and the answer shown to it."""
    following: str
    """Between an answer and the next user's text."""
    answer: str
    """Between the last user's text and the answer that is scored."""


@dataclass(frozen=True)
class Prompt:
    """How an example reads as text (its pattern), and the words that stand for the labels (its verbalizer)."""

    pattern: str
    """Text with `{field}`s; `{{` and `}}` are braces. What the fields hold is never read again as a pattern."""
    verbalizer: tuple[str, ...]
    """One plain word or phrase per label, in label order, without the space in front."""
    labels: tuple[str, ...]
    """The labels' names, in label order."""
    answer_prefix: str = ""
    """What stands between the pattern and the label word, such as ` answer:`."""
    separator: str = "\n\n"
    """What stands between two demonstrations."""
    name: str = "custom"
    chat: ChatFrame | None = None
    """Reads every example as a user's turn, and the label word as the assistant's answer to it."""

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.verbalizer):
            raise UserError(
                f"{len(self.labels)} labels ({', '.join(self.labels)}) but {len(self.verbalizer)} label words "
                f"({', '.join(self.verbalizer)}): give one word for each label"
            )
        if len(set(self.verbalizer)) < len(self.verbalizer):
            raise UserError(f"label words must differ, not {', '.join(self.verbalizer)}")
        if len(set(self.labels)) < len(self.labels):
            raise UserError(f"labels must differ, not {', '.join(self.labels)}")
        for word in self.verbalizer:
            if not word.strip():
                raise UserError("a label word is empty: give every label a word")
            if word != word.strip() or word.startswith(_SPACE_MARKS):
                raise UserError(
                    f"the label word {word!r} begins or ends with a space: give it plain, one space is put in front"
                )

    @property
    def field_names(self) -> tuple[str, ...]:
        """The fields that the pattern shows, in order, each once."""
        names = (match[1] for match in _FIELD.finditer(self.pattern) if match[1] is not None)
        return tuple(dict.fromkeys(names))

    def body(self, example: Example) -> str:
        """The example as text up to where its label word begins, without trailing white space; its fields are marked
        as data."""

        def value(match: re.Match[str]) -> str:
            if match[1] is None:
                return match[0][0]
            if match[1] not in example.fields:
                raise UserError(
                    f"the pattern {self.pattern!r} asks for the field {{{match[1]}}}; "
                    f"the examples have {', '.join(example.fields)}"
                )
            return as_data(example.fields[match[1]])

        text = (_FIELD.sub(value, self.pattern) + self.answer_prefix).rstrip()
        return text + self.chat.answer if self.chat else text

    @property
    def choices(self) -> tuple[str, ...]:
        """The label words as they follow `body`: with one space in front, or as the whole of an assistant's answer."""
        return self.verbalizer if self.chat else tuple(f" {word}" for word in self.verbalizer)

    @property
    def opening(self) -> str:
        """What stands in front of the first example: "", or the beginning of a chat."""
        return self.chat.opening if self.chat else ""

    def whole(self, example: Example) -> str:
        """`body` without demonstrations: with the beginning of the chat, where it is one."""
        return self.opening + self.body(example)

    def query(self, example: Example, context: str = "") -> Query:
        """The example as a query whose choices are the label words, each with one space in front."""
        gold = "" if example.label is None else self.verbalizer[example.label]
        tags = {"subset": example.subset} if example.subset else {}
        return Query(self.body(example), self.choices, context or self.opening, self.ends_answer, gold, tags)

    @property
    def ends_answer(self) -> str:
        """The first part of what follows an answer: its white space, and the mark after it if there is one."""
        return re.match(r"\s*\S*", self.after_answer)[0]  # type: ignore[index]

    def answered(self, example: Example) -> str:
        """The example as a demonstration: its text, a space, and the word of its label."""
        assert example.label is not None
        body = self.body(example)
        if self.chat:
            body = body.removesuffix(self.chat.answer) + self.chat.reply
        return body + self.choices[example.label]

    def context(self, demonstrations: Sequence[Example]) -> str:
        """The demonstrations in a row, each followed by the separator; "" for none. A chat begins with its opening."""
        return self.opening + "".join(self.answered(each) + self.after_answer for each in demonstrations)

    @property
    def after_answer(self) -> str:
        """What stands between a demonstration's answer and the next example."""
        return self.chat.following if self.chat else self.separator


Domain = Literal["train", "unlabelled", "in-domain", "out-of-domain"]


@dataclass(frozen=True)
class Split:
    """One set of a task's examples, read when asked for."""

    load: Callable[[], Sequence[Example]]
    domain: Domain
    reads_as: tuple[int, ...] = ()
    """What each of the task's labels counts as here, for a set with fewer labels (HANS after three-way MNLI);
    empty: itself."""


@dataclass(frozen=True)
class Task:
    """A classification problem: how it is put, and where its examples come from."""

    name: str
    prompts: tuple[Prompt, ...]
    """Every way of putting it, by `Prompt.name`; the first is the default."""
    splits: Mapping[str, Split]
    """`train`, perhaps `unlabelled`, and any number of evaluation sets."""
    metric: Literal["accuracy", "mcc", "exact-match", "contained", "token-f1", "rouge-l"] = "accuracy"
    """The literature's figure for the task; accuracy is always reported beside it."""
    notes: tuple[str, ...] = ()
    """What a user should be told before anything runs, such as a challenge set that was not found."""

    @property
    def prompt(self) -> Prompt:
        return self.prompts[0]

    def prompt_named(self, name: str | None) -> Prompt:
        """The prompt of that name, or the default. Raises UserError that lists the names there are."""
        for prompt in self.prompts:
            if name in (None, prompt.name):
                return prompt
        raise UserError(
            f"task {self.name!r} has no pattern named {name!r}; it has {', '.join(p.name for p in self.prompts)}"
        )

    @property
    def evaluation(self) -> dict[str, Split]:
        """The sets to score on, in-domain ones first."""
        sets = {name: split for name, split in self.splits.items() if split.domain.endswith("-domain")}
        return dict(sorted(sets.items(), key=lambda item: item[1].domain != "in-domain"))


@dataclass(frozen=True)
class Seeds:
    """One number for each source of chance in a run, so that none moves another."""

    data: int
    order: int
    init: int
    dropout: int


@dataclass(frozen=True)
class Shots:
    """What one run may learn from; the same for every method that is compared."""

    labelled: tuple[Example, ...]
    """In the order drawn: labels in turn, so that every prefix is balanced."""
    indices: tuple[int, ...]
    """Of `labelled`, in the training split."""
    unlabelled: tuple[Example, ...]
    """In-domain inputs outside `labelled` whose labels, if there are any, were taken off."""
    seeds: Seeds


@dataclass(frozen=True)
class Budget:
    """What a method may spend."""

    steps: int | None = None
    """Maximum number of optimizer steps; None: as many as the method's own schedule asks for."""
    batch_tokens: int = 8192
    """Maximum number of tokens per forward pass; fewer where memory runs out."""
    isolated: bool = False
    """Every run alone, none stacked with others: what adapting takes is then measured, not shared out."""
    kept_bytes: int = 1 << 30
    """Maximum size of the outputs of frozen blocks that are kept from epoch to epoch."""
    autocast: Literal["", "bf16", "fp16"] = ""
    """Products of training in that precision, whatever the backbone's is; its weights stay as they are."""
    checkpointing: bool = False
    """Only what goes into a block is kept for the backward pass, which runs the block again: less memory, a third
    more time."""


@dataclass(frozen=True)
class Cost:
    """What a phase of a run took."""

    seconds: float
    """Of the wall clock."""
    tokens: int
    """That went through the model, a shared prefix counted once."""
    peak_bytes: int
    """The most memory in use at any instant of the phase, above what was in use when it began."""
    resident_bytes: int
    """In use when the phase began: the loaded model, the libraries."""
    meter: str
    """What measured `peak_bytes`, such as `VmHWM` (the kernel) or `cuda allocator`."""


@dataclass(frozen=True)
class Latency:
    """Of one query at a time, the prompt read with every one; seconds."""

    median: float
    p95: float
    queries: int
    """How many were timed."""


@dataclass(frozen=True)
class Run:
    """What to do, as plain values: enough to do it again."""

    weights: Weights
    task: str
    method: str
    """`method[+update]`, a name of METHODS."""
    shots: int
    """In total over all labels."""
    seed: int
    prompt: str = ""
    """The name of the task's pattern; "" for its default."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings that differ from the method's own, by dotted path, as text."""
    budget: Budget = Budget()
    limit: int | None = None
    """Maximum number of examples scored of each evaluation set, the same ones for every method."""
    tune: str = ""
    """How the learning rate is chosen: "" (the method's own), `holdout` or `kfold` of the shots."""
    after: tuple[str, ...] = ()
    """Ids of the runs that must have ended before this one begins, such as those whose updates it merges."""

    @property
    def model(self) -> str:
        """The name of the weights; two runs of one name can differ in dtype."""
        return self.weights.name


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


Status = Literal["ok", "failed", "out-of-memory", "diverged"]
FAILED: tuple[Status, ...] = ("failed", "out-of-memory", "diverged")
"""Statuses of runs that `--retry-failed` does again."""


@dataclass(frozen=True)
class Record:
    """What came of one run, and all that a report may read."""

    run: Run
    status: Status
    reason: str = ""
    """Of a failure: one line."""
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
    """To encode the part of the prompt that all queries share, once; 0 where they share none."""
    prepared: int = 0
    """How many times the predict phase did that: once for every evaluation set."""
    latency: Latency | None = None
    trained_parameters: int = 0
    """Numbers whose values changed, no more and no less."""
    optimizer_bytes: int = 0
    artifact_bytes: int = 0
    """What would have to be stored to have this fitted method again, without the backbone."""
    indices: tuple[int, ...] = ()
    losses: tuple[float, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    """Every setting of the method, resolved."""
    notes: Mapping[str, object] = field(default_factory=dict)
    """Whatever else the method has to say: demonstrations used, teacher accuracy, chosen learning rate."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Versions, hardware, hashes of the model and the data."""

    @property
    def seconds_per_query(self) -> float | None:
        """Of many queries at once, without the encoding of what they share; None where nothing was predicted."""
        if not self.predict or not self.queries:
            return None
        # Both are measured, so that the difference of two nearly equal ones could come out at nothing.
        left = max(self.predict.seconds - self.prepared * self.prepare_seconds, 0.05 * self.predict.seconds)
        return left / self.queries
