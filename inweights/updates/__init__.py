"""Which numbers may change, by name. To add one: write its file, add its line; the contract suite tests it."""

from inweights.updates.base import Adapted, Update
from inweights.updates.bitfit import BitFit
from inweights.updates.depth import first_changed_block
from inweights.updates.frozen import Frozen
from inweights.updates.full import Full
from inweights.updates.last_blocks import LastBlocks
from inweights.updates.lora import LoRA

UPDATES: dict[str, Update] = {update.name: update for update in (Full(), BitFit(), LoRA(), LastBlocks(), Frozen())}

__all__ = ["UPDATES", "Adapted", "BitFit", "Frozen", "Full", "LastBlocks", "LoRA", "Update", "first_changed_block"]
