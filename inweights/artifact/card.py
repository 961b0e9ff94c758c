"""The model card (README.md) of a hand-out, in the hub's form: what it is, how to load it, what it scored and cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from inweights.artifact.manifest import Manifest
from inweights.artifact.readout_values import prompt_of
from inweights.report.statistics import accuracy, majority
from inweights.types import Record


@dataclass(frozen=True)
class About:
    """What is known of where a hand-out comes from; empty for one made by hand in a notebook."""

    method: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    record: Record | None = None
    """Of the very run that is handed out."""
    seeds: tuple[Record, ...] = ()
    """Of the same model, task, method and shots under every seed, that run included."""


def write(folder: Path, manifest: Manifest, about: About, loading: str) -> None:
    """`loading` is Python code that loads the folder without inweights."""
    (folder / "README.md").write_text(_card(manifest, about, loading), encoding="utf-8")


def _card(manifest: Manifest, about: About, loading: str) -> str:
    front = yaml.safe_dump(_metadata(manifest, about), sort_keys=False, allow_unicode=True).strip()
    parts = [f"---\n{front}\n---", f"# {_title(manifest, about)}", _what(manifest), _use(manifest, loading)]
    if about.record:
        parts += [_results(about.record, about.seeds or (about.record,)), _cost(about.record)]
    else:
        parts += ["## Results\nNot measured: this was handed out without a study."]
    parts += [_settings(manifest, about), _limits(manifest, about)]
    return "\n\n".join(parts) + "\n"


def _title(manifest: Manifest, about: About) -> str:
    task = f" for {about.record.run.task}" if about.record else ""
    return f"{_shown(manifest.base.name)} adapted by {manifest.method or 'hand'}{task}"


def _shown(name: str) -> str:
    """A folder's last name: the rest of its path means nothing elsewhere."""
    return Path(name).name if Path(name).is_absolute() else name


def _metadata(manifest: Manifest, about: About) -> dict[str, Any]:
    values: dict[str, Any] = {
        "base_model": _shown(manifest.base.name),
        "library_name": "peft" if manifest.form == "adapter" else "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["inweights", *([manifest.method] if manifest.method else [])],
    }
    if about.record:
        values["model-index"] = [{"name": _title(manifest, about), "results": _hub_results(about.record)}]
    return values


def _hub_results(record: Record) -> list[dict[str, Any]]:
    return [
        {
            "task": {"type": "text-classification"},
            "dataset": {"name": f"{record.run.task}, {name} ({outcome.domain})", "type": record.run.task},
            "metrics": [{"type": "accuracy", "value": round(accuracy(outcome), 4)}],
        }
        for name, outcome in record.outcomes.items()
    ]


def _what(manifest: Manifest) -> str:
    first = manifest.readout.get("members", [manifest.readout])[0]
    prompt = first["prompt"]
    words = zip(prompt["labels"], prompt["verbalizer"], strict=True)
    reads = "a classification head" if first["kind"] == "head" else "the probabilities of the label words"
    pattern = prompt["pattern"] + prompt["answer_prefix"]
    return (
        f"A classifier that reads {reads}.\n\n"
        f"- base model: `{_shown(manifest.base.name)}` ({manifest.base.architecture}, "
        f"weights {manifest.base.digest}, tokenizer {manifest.base.tokenizer})\n"
        f"- pattern: `{pattern!r}`\n"
        f"- labels and their words: {', '.join(f'{label} = `{word}`' for label, word in words)}\n"
        f"- demonstrations in the prompt: {len(first.get('demonstrations', ()))}"
    )


def _use(manifest: Manifest, loading: str) -> str:
    fields = prompt_of(manifest.readout).field_names
    given = '"..."' if len(fields) == 1 else " ".join(f'--field {name}="..."' for name in fields)
    return (
        f"## Use\n```\ninweights predict FOLDER {given}\ninweights eval FOLDER --test test.jsonl\n```\n"
        f"Without inweights:\n```python\n{loading.strip()}\n```"
    )


def _results(record: Record, seeds: Sequence[Record]) -> str:
    count = len(seeds)
    rows = [
        f"| {name} | {outcome.domain} | {len(outcome.gold)} | {accuracy(outcome):.3f} | "
        f"{mean(accuracy(each.outcomes[name]) for each in seeds if name in each.outcomes):.3f} | "
        f"{majority(outcome):.3f} |"
        for name, outcome in record.outcomes.items()
    ]
    return "\n".join(
        [
            "## Results",
            f"Accuracy of this hand-out (seed {record.run.seed}), and the mean over the study's {count} "
            f"{'seed' if count == 1 else 'seeds'}, {record.run.shots} shots each.",
            "",
            f"| set | domain | examples | this hand-out | mean of {count} | always the commonest label |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    )


def _cost(record: Record) -> str:
    lines = ["## Cost"]
    for phase in ("load", "adapt", "predict"):
        cost = getattr(record, phase)
        if cost:
            lines += [
                f"- {phase}: {cost.seconds:.2f} s, {cost.tokens} tokens, "
                f"{cost.peak_bytes / 2**20:.0f} MiB at the peak above {cost.resident_bytes / 2**20:.0f} MiB ({cost.meter})"
            ]
    per_query = record.seconds_per_query
    if per_query is not None:
        lines += [f"- per query: {per_query * 1000:.2f} ms"]
    lines += [f"- trained numbers: {record.trained_parameters}"]
    lines += [f"- {name}: {value}" for name, value in record.environment.items()]
    return "\n".join(lines)


def _settings(manifest: Manifest, about: About) -> str:
    rows: Mapping[str, object] = manifest.settings
    lines = ["## Settings", f"- method: {manifest.method or 'not named'}"]
    if about.record:
        run = about.record.run
        lines += [
            f"- shots: {run.shots} in total, seed {run.seed}",
            f"- training examples drawn: {list(about.record.indices)}",
        ]
    return "\n".join(lines + [f"- {name}: {value}" for name, value in rows.items()])


def _limits(manifest: Manifest, about: About) -> str:
    lines = [
        "## Limits",
        f"- The scores hold on the base model with the weights {manifest.base.digest} only; inweights refuses another.",
        "- The figures above are of the sets named above; on other text it may do worse.",
    ]
    if about.record and not any(outcome.domain == "out-of-domain" for outcome in about.record.outcomes.values()):
        lines += ["- It was not measured out of domain."]
    if manifest.update and manifest.update["name"] == "bitfit":
        lines += ["- The adapter carries biases (`bias: all`); servers that load plain LoRA only need it merged first."]
    return "\n".join(lines)
