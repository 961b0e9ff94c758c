"""Backbones by name: a folder, a GGUF file, a hub name, `embedded` (ships with the package), or an installed package."""

from pathlib import Path

from inweights.models.base import Backbone
from inweights.types import UserError

SHORT_NAMES = ("embedded", "minilm", "smollm2", "gemma3-270m")


def load(name: str, dtype: str | None = None, device: str | None = None) -> Backbone:
    """The backbone of that name, in evaluation mode, its weights frozen.

    `dtype`: fp32, bf16 or fp16; None: fp32 on a CPU, bf16 on a GPU that has it. `device`: cpu, cuda, cuda:1, mps;
    None: a GPU where there is one. Raises UserError where it cannot be had, in one line that says why.
    """
    from inweights.models.loading import load_from

    return load_from(name, locate(name), dtype, device)


def locate(name: str) -> str:
    """The folder that a short name or a GGUF file stands for; any other name as it is.

    Imports nothing heavy, but where a GGUF file is dequantised for the first time.
    """
    if name == "embedded":
        folder = Path(__file__).parent / "embedded" / "weights"
        if not folder.is_dir():
            raise UserError("this copy of inweights lacks its embedded model: install the package whole, or give a folder")
        return str(folder)
    if name == "minilm":
        from inweights.models.packaged import minilm_folder

        return str(minilm_folder())
    if name in SHORT_NAMES or (name.endswith(".gguf") and Path(name).is_file()):
        from inweights.models.gguf import gguf_folder
        from inweights.models.packaged import gguf_parts

        return str(gguf_folder(*(gguf_parts(name) if name in SHORT_NAMES else ([Path(name)], Path(name).name))))
    return name


__all__ = ["SHORT_NAMES", "Backbone", "load", "locate"]
