"""Backbones by name: a folder, a hub name, `embedded` (ships with the package) or `minilm` (an installed package)."""

from pathlib import Path

from inweights.models.base import LanguageModel
from inweights.types import UserError

SHORT_NAMES = ("embedded", "minilm")


def load(name: str, dtype: str | None = None, device: str | None = None) -> LanguageModel:
    """The backbone of that name, in evaluation mode, its weights frozen.

    `dtype`: fp32, bf16 or fp16; None: fp32 on a CPU, bf16 on a GPU that has it. `device`: cpu, cuda, cuda:1, mps;
    None: a GPU where there is one. Raises UserError where it cannot be had, in one line that says why.
    """
    from inweights.models.loading import load_from

    return load_from(name, locate(name), dtype, device)


def locate(name: str) -> str:
    """The folder a short name stands for; any other name as it is. Imports nothing heavy."""
    if name == "embedded":
        folder = Path(__file__).parent / "embedded" / "weights"
        if not folder.is_dir():
            raise UserError("this copy of inweights lacks its embedded model: install the package whole, or give a folder")
        return str(folder)
    if name == "minilm":
        from inweights.models.minilm import minilm_folder

        return str(minilm_folder())
    return name


__all__ = ["SHORT_NAMES", "LanguageModel", "load", "locate"]
