"""A model's configuration, read before its weights, and errors of transformers in one line."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR
from pathlib import Path
from typing import Any

from inweights.types import UserError


def configuration(name: str, place: str) -> Any:
    """The model's configuration. Raises UserError where there is none, or where it cannot be run."""
    from transformers import AutoConfig

    if Path(place).is_dir():
        _check_folder(place)
    elif Path(place).is_file():
        raise UserError(f"{place} is a file; give the folder that holds config.json and model.safetensors, or a GGUF file")
    elif place.startswith((".", "/", "~")) or place.endswith(".gguf") or place.count("/") > 1 or "\\" in place:
        raise UserError(f"there is no model {'file' if place.endswith('.gguf') else 'folder'} {place}")
    try:
        config = AutoConfig.from_pretrained(place, trust_remote_code=False)
    except Exception as error:  # transformers raises whatever its readers do
        raise UserError(why(error, name, place)) from error
    if getattr(config, "is_encoder_decoder", False):
        raise UserError(
            f"{name} is an encoder-decoder ({config.model_type}), which is not supported yet: "
            "take a causal model or an encoder"
        )
    return config


def _check_folder(place: str) -> None:
    path = Path(place) / "config.json"
    if not path.exists():
        raise UserError(f"{place} is not a model folder: it has no config.json")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UserError(f"{path} cannot be read ({error}): take another copy of the model") from error
    if not isinstance(values, dict) or "model_type" not in values:
        raise UserError(f"{path} does not name an architecture (model_type)")
    if "auto_map" in values:
        raise UserError(
            f"{place} brings its own Python code (auto_map in config.json), which inweights does not run: "
            "take a model whose architecture is part of transformers"
        )


def why(error: Exception, name: str = "", place: str = "") -> str:
    """An error of transformers in one line; with `place`, of a model that cannot be loaded, and what to do about it."""
    line = " ".join(str(error).split()) or type(error).__name__
    line = line if len(line) < 200 else line[:197] + "..."
    if not place:
        return line
    if "trust_remote_code" in str(error):
        return f"{name} needs its own code, which inweights does not run: take a model whose architecture transformers has"
    if Path(place).is_dir():
        return f"the model folder {place} cannot be loaded: {line}"
    if "connect" in str(error):
        line = "it cannot be reached, and there is no local copy"
    return (
        f"{name!r} is not a folder and could not be loaded from a model hub: give a folder with config.json and "
        f"model.safetensors, a GGUF file, `embedded`, `minilm`, `smollm2` or `gemma3-270m` ({line})"
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Within, transformers shows no warnings and progress bars, and the hub's client no line for each retry."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    # Tokenizers warn at every fork of a process that has used them.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    of_hub = hub_logging.get_verbosity()
    hub_logging.set_verbosity(ERROR)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        hub_logging.set_verbosity(of_hub)
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
