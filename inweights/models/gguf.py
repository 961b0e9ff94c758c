"""A GGUF file as a plain model folder: dequantised once, kept under the file's digest, and loaded from there.

The weights are kept in fp32, in which they are equal to those that gguf-py dequantises; bf16 and fp16 would round them.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from inweights.models.model_config import quiet, why
from inweights.types import UserError

BLOCK = 1 << 24


def gguf_folder(parts: Sequence[Path], name: str) -> Path:
    """The folder with the dequantised model of a GGUF file, which may come in several parts; made if it is missing.

    `name`: the file's name. Raises UserError where it cannot be read, or the packages that read it are not installed.
    """
    folder = cache_folder() / _digest(tuple((str(part), part.stat().st_mtime_ns) for part in parts))
    if not (folder / "model.safetensors").is_file() and not (folder / "model.safetensors.index.json").is_file():
        _make(folder, parts, name)
    return folder


def cache_folder() -> Path:
    """`inweights/gguf` in the user's cache directory ($XDG_CACHE_HOME, or ~/.cache)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "inweights" / "gguf"


@cache
def _digest(parts: tuple[tuple[str, int], ...]) -> str:
    """SHA-256 of the joined parts, 16 hexadecimal digits; computed again where a file has another modification time."""
    sha = hashlib.sha256()
    for path, _ in parts:
        with open(path, "rb") as stream:
            while block := stream.read(BLOCK):
                sha.update(block)
    return sha.hexdigest()[:16]


def _make(folder: Path, parts: Sequence[Path], name: str) -> None:
    """Whole or not at all: written to a folder beside its place, and renamed; of two processes the first to finish wins."""
    missing = [package for package in ("gguf", "accelerate") if find_spec(package) is None]
    if missing:
        raise UserError(
            f"{name} is a GGUF file, and {' and '.join(missing)} is not installed: pip install 'inweights[gguf]'"
        )
    if parts[0].open("rb").read(4) != b"GGUF":
        raise UserError(f"{parts[0]} is not a GGUF file: it does not begin with GGUF")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise UserError(f"{folder.parent} cannot be written ({error.strerror}): set XDG_CACHE_HOME to a folder") from error
    print(f"{name}: dequantising once, into {folder}", file=sys.stderr, flush=True)
    try:
        file = parts[0] if len(parts) == 1 else _joined(parts, work / name)
        _dequantise(file.resolve(), work)
        work.chmod(0o755)  # mkdtemp makes folders that only their owner can read
        os.rename(work, folder)
    except OSError as error:
        # If the folder is there now, another process has finished first, and the rename failed because of that.
        if not folder.is_dir():
            raise UserError(f"{name} cannot be dequantised into {folder.parent}: {why(error)}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _joined(parts: Sequence[Path], file: Path) -> Path:
    """The parts as one file. It stays in the folder, so that llama.cpp can serve it with an adapter."""
    with file.open("wb") as out:
        for part in parts:
            with part.open("rb") as stream:
                shutil.copyfileobj(stream, out, BLOCK)
    return file


def _dequantise(file: Path, folder: Path) -> None:
    import torch
    import transformers

    # Newer versions may keep the blocks as they are and fetch kernels from a hub to multiply with them.
    config: Any = getattr(transformers, "GgufConfig", None)
    options = {"quantization_config": config(dequantize=True)} if config else {}
    try:
        with quiet():
            tokenizer = transformers.AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
            module = transformers.AutoModelForCausalLM.from_pretrained(
                file.parent, gguf_file=file.name, dtype=torch.float32, **options
            )
            # A new module with the same weights: the loaded one may still be marked as quantised when it is saved.
            module.config.__dict__.pop("quantization_config", None)
            with torch.device("meta"):
                plain = type(module)(module.config)
            plain.load_state_dict(module.state_dict(), assign=True)
            plain.generation_config = module.generation_config
            plain.config._name_or_path = ""
            plain.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except OSError:
        raise
    except Exception as error:  # transformers raises whatever its readers do
        raise UserError(f"{file} cannot be read: {why(error)}") from error
