"""What a study does, as plain values: the same from flags, a YAML file and Python."""

import difflib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inweights.models import SHORT_NAMES
from inweights.types import Dtype, UserError, Weights

Chat = Literal["auto", "on", "off"]

DEMO_TASKS = ("made-acceptability", "made-entailment")
# One or two of every kind; all methods that run on the model take twice as long.
DEMO_METHODS = (
    *("zero-shot", "icl", "icl+contextual", "icl+ensemble", "vanilla", "vanilla+bitfit", "pbft", "pbft+lora"),
    *("pbft+ia3", "pbft+prefix", "adaptive", "distill+lora"),
)
DEMO: dict[str, Any] = {
    "task": list(DEMO_TASKS),
    "methods": list(DEMO_METHODS),
    "patterns": ["held-out-1"],  # chosen: by default in-context learning is at its ceiling
    "shots": [16, 64],
    "seeds": 3,
    "limit": 100,
    "steps": 50,
}
"""The methods of `inweights compare` without options: under two minutes on two cores."""


class Spec(BaseModel):
    """A grid: every model x task x method x shots x seed."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    preset: str = ""
    """A published protocol, which sets all keys that are not given."""
    model: list[str] = Field(default_factory=lambda: ["embedded"], min_length=1)
    task: list[str] = Field(default_factory=list)
    """Names of presets and made tasks; empty with `train`, which gives the user's files."""
    data: str | None = None
    """Folder with one folder per preset."""
    train: str | None = None
    test: str | None = None
    ood: dict[str, str] = Field(default_factory=dict)
    unlabelled: str | None = None
    patterns: list[str] = Field(default_factory=list)
    """Names of the task's patterns, or texts with fields; empty: its default, `all`: all of them."""
    answer_prefix: str = ""
    """Of the patterns given as texts."""
    chat: Chat = "auto"
    """Whether prompts are read through the model's chat template; auto: patterns given as texts, on a model that has one."""
    labels: list[str] | None = None
    verbalizer: list[str] | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    methods: list[str] = Field(default_factory=list)
    """Empty: all default methods that run on the model."""
    shots: list[Annotated[int, Field(ge=0)]] = Field(default_factory=lambda: [16], min_length=1)
    shots_mean: Literal["total", "per-label"] = "total"
    seeds: int = Field(default=3, ge=1)
    first_seed: int = 0
    set: dict[str, str] = Field(default_factory=dict)
    """`pbft+lora.update.rank: 4`, or `schedule.epochs: 40` for every method that has it."""
    tune: Literal["", "holdout", "kfold"] = ""
    limit: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    batch_tokens: int = Field(default=8192, ge=1)
    isolated: bool = False
    """Train every run alone: seeds of one method do not share forward passes."""
    autocast: Literal["", "bf16", "fp16"] = ""
    checkpointing: bool = False
    dtype: str | None = None
    """The dtype of every model without a suffix such as `gpt2@bf16`."""
    device: str | None = None


def spec_of(values: dict[str, Any], source: str = "the study") -> Spec:
    """Raises UserError with the setting, the given value, and the most similar known setting."""
    known = list(Spec.model_fields)
    values = _with_patterns(values)
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise UserError(f"{source} has an unknown key {key!r}; {hint}")
    try:
        spec = Spec(**{key: listed(key, value) for key, value in values.items()})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{source}: {where} is {first.get('input')!r}: {first['msg'].lower()}") from error
    if spec.preset not in ("", "mosbach2023"):
        raise UserError(f"{spec.preset!r} is not a preset: expected mosbach2023")
    return mosbach2023(spec) if spec.preset else spec


def _with_patterns(values: dict[str, Any]) -> dict[str, Any]:
    """`pattern` and `pattern_name` are other names of `patterns`, for one pattern."""
    single = [values[key] for key in ("pattern", "pattern_name") if values.get(key) is not None]
    rest = {key: value for key, value in values.items() if key not in ("pattern", "pattern_name")}
    return rest | {"patterns": [*listed("patterns", rest.get("patterns", [])), *single]} if single else rest


def read_spec(folder: Path) -> Spec:
    """The last spec of the study in a folder. Raises UserError where the folder has none."""
    path = folder / "study.json"
    if not path.is_file():
        raise UserError(f"{folder} is not a study: it has no study.json; `inweights compare --out {folder}` makes one")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): give `inweights compare` again with --out {folder}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no keys and values: give `inweights compare` again with --out {folder}")
    if "learned" in values:
        out = str(folder).removesuffix(".work")
        raise UserError(f"{folder} is the work of a learned context: `inweights report {out}` shows it")
    return spec_of(values, str(path))


def listed(key: str, value: Any) -> Any:
    """A single value, or values in one text with commas, as a list; a model's name may have a comma."""
    if key == "patterns" and isinstance(value, str) and "{" in value:
        return [value]
    if key in ("task", "methods", "shots", "labels", "verbalizer", "patterns") and isinstance(value, (str, int)):
        return [each.strip() for each in str(value).split(",") if each.strip()]
    if key == "model":
        return [str(with_whole_path(Weights.parse(str(name)))) for name in ([value] if isinstance(value, str) else value)]
    return value


def with_whole_path(weights: Weights) -> Weights:
    """A model folder or file with its absolute path: a record's model must not depend on the working directory."""
    there = weights.name not in SHORT_NAMES and os.path.exists(weights.name)
    return replace(weights, name=os.path.abspath(weights.name)) if there else weights


def weights_of(spec: Spec) -> list[Weights]:
    """The spec's models in order, without repetition; `dtype` is for all that name neither a dtype nor a quantization."""
    dtypes = get_args(Dtype)
    if spec.dtype not in (None, *dtypes):
        raise UserError(f"{spec.dtype!r} is not a dtype: expected one of {', '.join(dtypes)}")
    return list(dict.fromkeys(in_dtype(Weights.parse(each), spec.dtype) for each in spec.model))


def in_dtype(weights: Weights, dtype: str | None) -> Weights:
    """With the dtype, where the weights name neither a dtype nor a quantization of their own."""
    plain = weights.dtype == "auto" and not weights.quantization
    return replace(weights, dtype=cast(Dtype, dtype)) if plain and dtype else weights


def to_keep(spec: Spec) -> dict[str, Any]:
    """The spec as values with absolute paths, so that a study can be read from any working directory."""
    values = spec.model_dump()
    paths = {key: os.path.abspath(values[key]) for key in ("data", "train", "test", "unlabelled") if values[key]}
    return {**values, **paths, "ood": {name: os.path.abspath(path) for name, path in spec.ood.items()}}


def mosbach2023(spec: Spec) -> Spec:
    """The protocol of Mosbach et al. 2023 (arXiv 2305.16938): AdamW 1e-5, a tenth of warm-up, then constant, no decay,
    batch 32, 40 epochs, ten seeds, the gpt-3 pattern where the task has it. Dropout is the backbone's own (0.1)."""
    settings = {
        "schedule.lr": "1e-5",
        "schedule.width": "none",
        "schedule.warmup": "0.1",
        "schedule.decay": "constant",
        "schedule.weight_decay": "0.0",
        "schedule.batch_size": "32",
        "schedule.epochs": "40",
        "schedule.stop_loss": "0.0",
        "snapshots": "10",
    }
    methods = spec.methods or ["icl", "vanilla", "pbft"]
    trained = [name for name in ("vanilla", "pbft") if name in [each.removesuffix("+full") for each in methods]]
    # Settings of the user come first, for one method or for all.
    protocol = {f"{name}.{key}": v for name in trained for key, v in settings.items() if key not in spec.set}
    return spec.model_copy(
        update={
            "methods": methods,
            "seeds": spec.seeds if "seeds" in spec.model_fields_set else 10,
            "patterns": spec.patterns or (["gpt-3"] if _all_have(spec.task, "gpt-3") else []),
            "set": {**protocol, **spec.set},
        }
    )


def _all_have(tasks: list[str], pattern: str) -> bool:
    from inweights.tasks.presets import PRESETS

    return bool(tasks) and all(t in PRESETS and pattern in [p.name for p in PRESETS[t].prompts] for t in tasks)
