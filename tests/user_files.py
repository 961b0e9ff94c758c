"""Small files as a user would write them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

TEXTS = [{"text": "good", "label": "positive"}, {"text": "bad", "label": "negative"}]


def jsonl(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """`path`, with the rows written to it."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
