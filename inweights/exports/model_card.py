"""The parts of a model card (README.md) that every export has: the hub's metadata, tables, commands of other programs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from inweights.cards import MODEL_CARD
from inweights.exports.manifest import Base


def write_model_card(folder: Path, metadata: Mapping[str, object], title: str, sections: Iterable[str]) -> None:
    """`metadata`: what the hub reads. `sections`: Markdown, one after the other; empty ones are left out."""
    front = yaml.safe_dump(dict(metadata), sort_keys=False, allow_unicode=True).strip()
    text = "\n\n".join([f"---\n{front}\n---", f"# {title}", *filter(None, sections)])
    (folder / MODEL_CARD).write_text(text + "\n", encoding="utf-8")


def shown(name: str) -> str:
    """A folder's last name: the rest of its path means nothing elsewhere."""
    return Path(name).name if Path(name).is_absolute() else name


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def llama_cpp(base: Base, folder: str) -> str:
    """How llama.cpp serves a LoRA on the GGUF file of its base model."""
    gguf = base.name if base.name.endswith(".gguf") else "BASE.gguf"
    return (
        f"```\npython convert_lora_to_gguf.py --base {base.place} --outfile adapter.gguf {folder}\n"
        f"llama-server -m {gguf} --lora adapter.gguf\n```"
    )
