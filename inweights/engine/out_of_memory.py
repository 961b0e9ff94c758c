"""When memory runs out."""

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Of a GPU's or of the machine's; torch has no class of its own for the latter."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
