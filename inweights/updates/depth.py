"""The depth of parameters in a backbone: which blocks an update leaves unchanged."""

from collections.abc import Iterable

from torch import nn

from inweights.models.base import Backbone
from inweights.types import UserError
from inweights.updates.base import trainable


def distances_from_top(model: Backbone) -> dict[str, int]:
    """0 for the last block and all after it, 1 for the block before, and so on; parameters before the blocks are left out.

    An LM head that is tied to the embeddings counts as an embedding; an untied one is after the blocks.
    """
    blocks = list(model.blocks())
    inside = {id(p): len(blocks) - 1 - number for number, block in enumerate(blocks) for p in block.parameters()}
    modules = list(model.module.modules())
    # By identity, because a tied LM head and the embeddings are one parameter with one name.
    tables = {id(p) for each in modules if isinstance(each, nn.Embedding) for p in each.parameters()}
    output = model.output_embeddings
    head = {id(p) for p in output.parameters()} if output is not None else set()
    distances = {}
    for name, parameter in trainable(model):
        # An untied head may have the word of an embedding in its name (`embed_out`), so it is checked first.
        before = id(parameter) in tables or (id(parameter) not in head and _before_blocks(name))
        if id(parameter) in inside:
            distances[name] = inside[id(parameter)]
        elif not before:
            distances[name] = 0
    return distances


def first_changed_block(model: Backbone, parameters: Iterable[str]) -> int:
    """The first block that an update changes; 0 where it changes something before the blocks, and the number of blocks
    where it changes none.

    `parameters`: named as in `Adapted.parameters`, by the module that they belong to or are added to.
    """
    try:
        count = len(model.blocks())
    except UserError:  # blocks share their weights (ALBERT), so that none is below another
        return 0
    distances: dict[str, int] = {}
    for name, away in distances_from_top(model).items():
        distances.setdefault(name.rpartition(".")[0], away)
    inside = {id(module) for block in model.blocks() for module in block.modules()}
    modules = dict(model.module.named_modules())
    first = count
    for name in parameters:
        owner = next((module for module in _owners(name) if module in distances), None)
        if owner is None:  # before the blocks, such as an embedding or a learned prefix
            return 0
        first = min(first, count - 1 - distances[owner] if id(modules[owner]) in inside else count)
    return first


def _owners(name: str) -> Iterable[str]:
    """The names of the modules that may own a parameter, the innermost first."""
    while name:
        name = name.rpartition(".")[0]
        yield name


def _before_blocks(name: str) -> bool:
    """Norms and projections of embeddings. Only their names say so; in OPT not even the order of definition does."""
    return "embed" in name or "project_in" in name
