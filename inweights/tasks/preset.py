"""What a preset is: a task of the literature as constants, without its data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from inweights.types import Prompt

TRAIN = ("train", "train_16-13")
DEV = ("dev", "validation", "dev_16-13")
"""Names of files without their ending: the usual ones, then those of LM-BFF's splits (16 shots per label, seed 13)."""
UNLABELLED = ("", "-1", "-")
"""How published files spell that an example has no label, or that its annotators did not agree on one."""


@dataclass(frozen=True)
class Hub:
    """One set on a data set hub."""

    name: str
    configuration: str | None
    split: str


@dataclass(frozen=True)
class Source:
    """One set of a preset: where it may be, the names of its columns, the spelling of its labels."""

    folders: tuple[str, ...]
    """Under the data folder, tried in order."""
    files: tuple[str, ...]
    """Names without their ending, tried in order; `train` also means train-00000-of-00002.parquet and the other shards."""
    domain: Literal["train", "in-domain", "out-of-domain"]
    labels: Mapping[str, int]
    """The file's label -> label id. Integers follow the hub's copy of the set."""
    dropped: tuple[str, ...] = ()
    """Labels whose rows are left out, beside UNLABELLED."""
    subset: tuple[str, ...] = ()
    """Columns that name the part of the set an example belongs to."""
    reads_as: tuple[int, ...] = ()
    """See `Split.reads_as`."""
    header: tuple[str, ...] = ()
    """Columns of a TSV that is published without a first line of names."""
    hub: Hub | None = None


@dataclass(frozen=True)
class Preset:
    name: str
    prompts: tuple[Prompt, ...]
    """The first is the default."""
    fields: Mapping[str, tuple[str, ...]]
    """Field -> names of its column, the likeliest first."""
    sources: Mapping[str, Source]
    metric: Literal["accuracy", "mcc"] = "accuracy"
