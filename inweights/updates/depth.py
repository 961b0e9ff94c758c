"""How deep in a backbone parameters lie: which blocks an update leaves as they are."""

from collections.abc import Iterable

from torch import nn

from inweights.models.base import Backbone
from inweights.types import UserError
from inweights.updates.base import trainable


def distances_from_top(model: Backbone) -> dict[str, int]:
    """0 for the last block and what follows it, 1 for the block before, and so on; nothing of what precedes them.

    An LM head tied to the embeddings is an embedding and not named; one of its own is part of what follows.
    """
    blocks = list(model.blocks())
    inside = {id(p): len(blocks) - 1 - number for number, block in enumerate(blocks) for p in block.parameters()}
    modules = list(model.module.modules())
    tables = {id(p) for each in modules if isinstance(each, nn.Embedding) for p in each.parameters()}
    output = model.output_embeddings
    head = {id(p) for p in output.parameters()} if output is not None else set()
    found = {}
    for name, parameter in trainable(model):
        before = id(parameter) in tables or (id(parameter) not in head and _before_blocks(name))
        if id(parameter) in inside:
            found[name] = inside[id(parameter)]
        elif not before:
            found[name] = 0
    return found


def first_changed_block(model: Backbone, parameters: Iterable[str]) -> int:
    """The first block that an update's parameters are in; 0 where some precede the blocks, their number where none
    is in one.

    `parameters`: named as in `Adapted.parameters`, which is by the module they belong to or are added to.
    """
    try:
        count = len(model.blocks())
    except UserError:  # blocks that share their weights (ALBERT): none is below another
        return 0
    distances: dict[str, int] = {}
    for name, away in distances_from_top(model).items():
        distances.setdefault(name.rpartition(".")[0], away)
    inside = {id(module) for block in model.blocks() for module in block.modules()}
    modules = dict(model.module.named_modules())
    first = count
    for name in parameters:
        owner = next((each for each in _owners(name) if each in distances), None)
        if owner is None:
            return 0
        first = min(first, count - 1 - distances[owner] if id(modules[owner]) in inside else count)
    return first


def _owners(name: str) -> Iterable[str]:
    """Everything that a parameter's name begins with, the longest first."""
    while name:
        name = name.rpartition(".")[0]
        yield name


def _before_blocks(name: str) -> bool:
    """Norms and projections of embeddings; no attribute says so, and definition order does not either (OPT)."""
    return "embed" in name or "project_in" in name
