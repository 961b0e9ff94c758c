"""Every update by name. A new one is a file and a name here; the contract suite tests it with every kind of training."""

from inweights.updates.adapter import Adapter
from inweights.updates.base import Adapted, Update
from inweights.updates.bitfit import BitFit
from inweights.updates.depth import first_changed_block
from inweights.updates.frozen import Frozen
from inweights.updates.full import Full
from inweights.updates.ia3 import IA3
from inweights.updates.last_blocks import LastBlocks
from inweights.updates.lora import LoRA
from inweights.updates.prefix import PrefixTuning
from inweights.updates.prompt import PromptTuning

_ALL = (Full(), LastBlocks(), BitFit(), LoRA(), Adapter(), IA3(), PrefixTuning(), PromptTuning(), Frozen())
UPDATES: dict[str, Update] = {update.name: update for update in _ALL}

__all__ = [
    "IA3",
    "UPDATES",
    "Adapted",
    "Adapter",
    "BitFit",
    "Frozen",
    "Full",
    "LastBlocks",
    "LoRA",
    "PrefixTuning",
    "PromptTuning",
    "Update",
    "first_changed_block",
]
