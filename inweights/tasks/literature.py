"""A preset with its data: each set is found in a local folder or on a hub, and read when it is needed."""

import ast
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from inweights.tasks.columns import LABELS, Columns
from inweights.tasks.examples import examples, spelled
from inweights.tasks.hub import check_reachable, hub_rows
from inweights.tasks.preset import UNLABELLED, Preset, Source
from inweights.tasks.presets import PRESETS
from inweights.tasks.rows import FORMATS, Row, read_rows
from inweights.types import Example, Split, Task, UserError

Load = Callable[[], Sequence[Example]]
INNER = ("", "data", "raw", "original")
"""Folders inside a task's folder that published copies keep the files in."""


def literature_task(preset: Preset, data: Path | None) -> Task:
    """The preset's task with every set that can be found; its notes say which out-of-domain sets cannot.

    `data`: a folder with one folder per task, or the task's own; None: the hub. Raises UserError where the training
    set or every in-domain set is missing, with the names that were looked for.
    """
    loads, missing = _on_hub(preset) if data is None else _in_folder(preset, data)
    splits = {name: Split(load, preset.sources[name].domain, preset.sources[name].reads_as) for name, load in loads.items()}
    for domain in ("train", "in-domain"):
        if not any(split.domain == domain for split in splits.values()):
            raise UserError(next(line for name, line in missing.items() if preset.sources[name].domain == domain))
    return Task(preset.name, preset.prompts, splits, preset.metric, _notes(preset, splits, missing))


def _on_hub(preset: Preset) -> tuple[dict[str, Load], dict[str, str]]:
    """How to read each set, and why the other sets are missing."""
    check_reachable(preset)
    loads: dict[str, Load] = {name: partial(_from_hub, preset.name, name) for name, s in preset.sources.items() if s.hub}
    return loads, {name: f"{name} is on no hub, give --data FOLDER" for name in preset.sources if name not in loads}


def _in_folder(preset: Preset, data: Path) -> tuple[dict[str, Load], dict[str, str]]:
    if not data.is_dir():
        raise UserError(f"there is no data folder {data}")
    loads: dict[str, Load] = {}
    missing = {}
    for name, source in preset.sources.items():
        if paths := _files(data, source):
            loads[name] = partial(_from_files, preset.name, name, paths)
        else:
            missing[name] = (
                f"{data} has no {name} set of {preset.name}: looked in {' and '.join(source.folders)} for "
                f"{', '.join(source.files)} with one of {', '.join(FORMATS)}"
            )
    return loads, missing


def _notes(preset: Preset, splits: Mapping[str, Split], missing: Mapping[str, str]) -> tuple[str, ...]:
    """Which out-of-domain set is missing, if the task has none at all."""
    if any(split.domain == "out-of-domain" for split in splits.values()):
        return ()
    lines = [line for name, line in missing.items() if preset.sources[name].domain == "out-of-domain"]
    return tuple(f"{preset.name} is scored in-domain only: {line}" for line in lines[:1])


def _files(data: Path, source: Source) -> tuple[Path, ...]:
    """The set's file, or its shards; () where there is none."""
    tops = [data / folder for folder in source.folders]
    if data.name in source.folders:
        tops.append(data)
    for name in source.files:
        for folder in (top / inner for top in tops for inner in INNER):
            shards = tuple(sorted(folder.glob(f"{name}-*-of-*.parquet")))
            whole = [folder / f"{name}{ending}" for ending in FORMATS]
            for found in [(path,) for path in whole if path.is_file()] + [shards]:
                if found:
                    return found
    return ()


@cache
def _from_files(preset: str, name: str, paths: tuple[Path, ...]) -> Sequence[Example]:
    source = PRESETS[preset].sources[name]
    # GLUE's QQP has a few incomplete lines, which all readers leave out.
    found = [_examples(path, read_rows(path, source.header, "left out"), PRESETS[preset], source) for path in paths]
    return tuple(example for part in found for example in part)


@cache
def _from_hub(preset: str, name: str) -> Sequence[Example]:
    source = PRESETS[preset].sources[name]
    assert source.hub is not None
    return tuple(_examples(Path(source.hub.name), hub_rows(source.hub), PRESETS[preset], source))


def _examples(path: Path, rows: Sequence[tuple[int, Row]], preset: Preset, source: Source) -> Sequence[Example]:
    there = rows[0][1]
    label = next((name for name in LABELS if name in there), None)
    if label is None:
        raise UserError(f"{path} has no label column ({', '.join(LABELS)}); it has {', '.join(there)}")
    columns = Columns(_fields(path, there, preset), label, source.subset)
    left_out = (*UNLABELLED, *source.dropped)
    kept = [(number, row) for number, row in rows if spelled(row[label]) not in left_out]
    if not kept:
        raise UserError(f"{path} has no labels: every {label!r} is one of {', '.join(map(repr, left_out))}")
    whole = [(number, {**row, **{c: _decoded(row[c]) for c in columns.fields.values()}}) for number, row in kept]
    # A published set is scored as it is, even with an empty review in it.
    return examples(path, whole, columns, source.labels, "kept")


def _fields(path: Path, there: Row, preset: Preset) -> dict[str, str]:
    fields = {}
    for field, candidates in preset.fields.items():
        column = next((name for name in candidates if name in there), None)
        if column is None:
            raise UserError(f"{path} has no column for {field} ({' or '.join(candidates)}); it has {', '.join(there)}")
        fields[field] = column
    return fields


def _decoded(value: object) -> object:
    """PAWS-QQP's script is written for Python 2, and writes b'...' in Python 3."""
    if not isinstance(value, str) or value[:2] not in ("b'", 'b"') or value[1] != value[-1] or len(value) < 3:
        return value
    return ast.literal_eval(value).decode("utf-8")
