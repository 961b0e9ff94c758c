"""The model card (README.md) of an export, in the hub's form: what it is, how to load it, what it scored and cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inweights.exports.card_measured import cost, hub_results, results
from inweights.exports.manifest import Manifest
from inweights.exports.model_card import llama_cpp, shown, write_model_card
from inweights.exports.readout_values import prompt_of
from inweights.report.statistics import constant
from inweights.types import Record


@dataclass(frozen=True)
class About:
    """What is known of where an export comes from; empty for one made by hand in a notebook."""

    method: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    record: Record | None = None
    """Of the very run that is exported."""
    seeds: tuple[Record, ...] = ()
    """Of the same model, task, method and shots under every seed, that run included."""


def write(folder: Path, manifest: Manifest, about: About, loading: str) -> None:
    """`loading` is Python code that loads the folder without inweights."""
    measured = ["## Results\nNot measured: exported without a study."]
    if about.record:
        measured = [results(about.record, about.seeds or (about.record,)), cost(about.record)]
    sections = [_what(manifest), _use(manifest, loading), *measured, _settings(manifest, about), _limits(manifest, about)]
    write_model_card(folder, _metadata(manifest, about), _title(manifest, about), sections)


def _title(manifest: Manifest, about: About) -> str:
    task = f" for {about.record.run.task}" if about.record else ""
    return f"{shown(manifest.base.name)} adapted by {manifest.method or 'hand'}{task}"


def _metadata(manifest: Manifest, about: About) -> dict[str, Any]:
    values: dict[str, Any] = {
        "base_model": shown(manifest.base.name),
        "library_name": "peft" if manifest.for_peft else "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["inweights", *([manifest.method] if manifest.method else [])],
    }
    if about.record:
        values["model-index"] = [{"name": _title(manifest, about), "results": hub_results(about.record)}]
    return values


def _what(manifest: Manifest) -> str:
    first = manifest.readout.get("members", [manifest.readout])[0]
    prompt = first["prompt"]
    words = zip(prompt["labels"], prompt["verbalizer"], strict=True)
    reads = "a classification head" if first["kind"] == "head" else "the probabilities of the label words"
    several = len(manifest.readout.get("members", ()))
    demonstrations = len(first.get("demonstrations", ()))
    pattern = prompt["pattern"] + prompt["answer_prefix"]
    return (
        f"A classifier that reads {reads}.\n\n"
        f"- base model: `{shown(manifest.base.name)}` ({manifest.base.architecture}, "
        f"weights {manifest.base.digest}, tokenizer {manifest.base.tokenizer})\n"
        f"- pattern: `{pattern!r}`\n"
        f"- labels and their words: {', '.join(f'{label} = `{word}`' for label, word in words)}"
        + (f"\n- demonstrations in the prompt: {demonstrations}" if demonstrations else "")
        + (f"\n- the mean of the log-probabilities under {several} prompts; the code shows one" if several else "")
    )


def _use(manifest: Manifest, loading: str) -> str:
    fields = prompt_of(manifest.readout).field_names
    given = '"..."' if len(fields) == 1 else " ".join(f'--field {name}="..."' for name in fields)
    return (
        f"## Use\n```\ninweights predict FOLDER {given}\ninweights eval FOLDER --test test.jsonl\n```\n"
        f"Without inweights:\n```python\n{loading.strip()}\n```{_on_gguf(manifest)}"
    )


def _on_gguf(manifest: Manifest) -> str:
    """How a LoRA is served on the GGUF file whose dequantised weights it was trained on."""
    base = manifest.base
    if not base.name.endswith(".gguf") or manifest.update is None or manifest.update.name != "lora":
        return ""
    whose = "on the same file (the base folder holds that file's weights, dequantised)"
    return f"\n\nWith llama.cpp, {whose}:\n{llama_cpp(base, 'FOLDER')}"


def _settings(manifest: Manifest, about: About) -> str:
    lines = ["## Settings", f"- method: {manifest.method or 'not named'}"]
    if about.record:
        run = about.record.run
        lines += [f"- shots: {run.shots} in total, seed {run.seed}"]
        lines += [f"- training examples drawn: {', '.join(map(str, about.record.indices))}"]
    noted = about.record.notes if about.record else {}
    return "\n".join(lines + [f"- {name}: {value}" for name, value in {**manifest.settings, **noted}.items()])


def _limits(manifest: Manifest, about: About) -> str:
    lines = [
        "## Limits",
        f"- The scores hold on the base model with the weights {manifest.base.digest} only; inweights refuses another.",
        "- The figures above are of the sets named above; on other text it may do worse.",
    ]
    if about.record:
        constant_on = [name for name, outcome in about.record.outcomes.items() if constant(outcome)]
        lines += [f"- It gives one answer to everything on {', '.join(constant_on)}."] if constant_on else []
    if about.record and not any(outcome.domain == "out-of-domain" for outcome in about.record.outcomes.values()):
        lines += ["- It was not measured out of domain."]
    if manifest.update and manifest.update.limits:
        lines += [f"- {manifest.update.limits}"]
    return "\n".join(lines)
