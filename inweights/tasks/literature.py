"""A preset with its data: from a local folder, or from a hub through `datasets`."""

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

from inweights.tasks.columns import Columns, examples
from inweights.tasks.presets import PRESETS, Preset, Source
from inweights.tasks.rows import FORMATS, Row, read_rows
from inweights.types import Example, Split, Task, UserError


def literature_task(preset: Preset, data: Path | None) -> Task:
    """The preset's task with every set that can be found. Challenge sets that are not there are left out.

    `data`: a folder that holds one folder per task; None: the hub. Raises UserError where the training or every
    evaluation set is missing, with the file names that were looked for.
    """
    if data is None:
        splits = {
            name: Split(partial(_from_hub, preset.name, name), source.domain, source.reads_as)
            for name, source in preset.sources.items()
            if source.hub
        }
        return Task(preset.name, preset.prompts, splits, preset.metric)
    if not data.is_dir():
        raise UserError(f"there is no data folder {data}")
    found = {name: _file(data, source) for name, source in preset.sources.items()}
    splits = {
        name: Split(partial(_from_file, preset.name, name, path), preset.sources[name].domain, preset.sources[name].reads_as)
        for name, path in found.items()
        if path is not None
    }
    needed = ["train"] if found["train"] is None else []
    if not any(split.domain == "in-domain" for split in splits.values()):
        needed += [name for name, source in preset.sources.items() if source.domain == "in-domain"]
    for name in needed:
        source = preset.sources[name]
        raise UserError(
            f"{data} has no {name} set of {preset.name}: looked in {' and '.join(source.folders)} for "
            f"{', '.join(source.files)} with one of {', '.join(FORMATS)}"
        )
    return Task(preset.name, preset.prompts, splits, preset.metric)


def _file(data: Path, source: Source) -> Path | None:
    for folder in source.folders:
        for name in source.files:
            for inner in ("", "data"):
                for ending in FORMATS:
                    path = data / folder / inner / f"{name}{ending}"
                    if path.exists():
                        return path
    return None


@cache
def _from_file(preset_name: str, set_name: str, path: Path) -> Sequence[Example]:
    preset = PRESETS[preset_name]
    return _examples(path, read_rows(path), preset, preset.sources[set_name])


@cache
def _from_hub(preset_name: str, set_name: str) -> Sequence[Example]:
    preset = PRESETS[preset_name]
    source = preset.sources[set_name]
    name, configuration, split = source.hub
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise UserError(
            f"the data of {preset_name} is neither in a folder (--data FOLDER) nor can a hub be asked: "
            "pip install 'inweights[hub]'"
        ) from error
    try:
        rows = load_dataset(name, configuration or None, split=split)
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{name} cannot be had from the hub ({reason}): give its folder with --data FOLDER") from error
    return _examples(Path(name), list(enumerate(rows, start=1)), preset, source)


def _examples(path: Path, rows: Sequence[tuple[int, Row]], preset: Preset, source: Source) -> Sequence[Example]:
    there = list(rows[0][1])
    fields: dict[str, str] = {}
    for field, candidates in preset.fields.items():
        column = next((name for name in candidates if name in there), None)
        if column is None:
            raise UserError(f"{path} has no column for {field} ({' or '.join(candidates)}); it has {', '.join(there)}")
        fields[field] = column
    label = next((name for name in ("label", "gold_label", "coarse_label", "is_duplicate") if name in there), None)
    if label is None:
        raise UserError(f"{path} has no label column; it has {', '.join(there)}")
    kept = [(number, row) for number, row in rows if str(row[label]) not in source.dropped]
    columns = Columns(fields, label, source.subset)
    # A published set is scored as it is, an empty review in it included.
    return [e for e in examples(path, kept, columns, source.labels, "kept") if e.label is not None]
