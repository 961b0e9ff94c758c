"""Which numbers may change, by name. To add one: write its file, add its line; the contract suite tests it."""

from inweights.updates.base import Adapted, Update
from inweights.updates.bitfit import BitFit
from inweights.updates.full import Full
from inweights.updates.last_blocks import LastBlocks
from inweights.updates.lora import LoRA

UPDATES: dict[str, Update] = {update.name: update for update in (Full(), BitFit(), LoRA(), LastBlocks())}

__all__ = ["UPDATES", "Adapted", "BitFit", "Full", "LastBlocks", "LoRA", "Update"]
