"""A prompt pack: in-context learning as a file for programs and a text that any server can be given."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inweights.exports.readout_values import prompt_of
from inweights.plain_text import without_marks
from inweights.types import Example


def write_pack(folder: Path, readout: Mapping[str, Any]) -> None:
    """`prompt_pack.json`, and `prompt.txt` for each member of an ensemble, with `{field}`s to fill in."""
    pack = json.dumps(readout, ensure_ascii=False, indent=1) + "\n"
    (folder / "prompt_pack.json").write_text(pack, encoding="utf-8")
    members = readout.get("members", [readout])
    for number, member in enumerate(members, start=1):
        name = "prompt.txt" if len(members) == 1 else f"prompt-{number}.txt"
        (folder / name).write_text(_text(member), encoding="utf-8")


def _text(member: Mapping[str, Any]) -> str:
    prompt = prompt_of(member)
    blank = Example({field: f"{{{field}}}" for field in prompt.field_names})
    shown = [Example(**each) for each in member["demonstrations"]]
    return without_marks(prompt.context(shown) + prompt.body(blank))
