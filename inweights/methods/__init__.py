"""Every method, by name. To add one: write its file, add its line; the contract suite tests it."""

import difflib
from collections.abc import Mapping
from dataclasses import replace

from inweights.methods.base import Fitted, Method
from inweights.methods.context_distillation import ContextDistillation
from inweights.methods.in_context import InContext
from inweights.methods.pattern import WordFineTune
from inweights.methods.vanilla import HeadFineTune
from inweights.settings import changed
from inweights.training import Schedule
from inweights.types import UserError
from inweights.updates import IA3, Adapter, BitFit, Frozen, Full, LastBlocks, LoRA, PrefixTuning, PromptTuning

# Peak learning rates by what changes: writing all weights needs small steps, adding few numbers large ones. Full
# fine-tuning's is 1e-4 for a width of 384 (MiniLM), which makes it 1e-5 for a 7B model's 4096.
FULL = Schedule(lr=1e-4, width=384, epochs=20, batch_size=8)
BITFIT = Schedule(lr=1.6e-3, epochs=20, batch_size=8)
SCALES = Schedule(lr=1e-2, epochs=20, batch_size=8)
LORA = Schedule(lr=1e-3, epochs=20, batch_size=8)
PROMPT = Schedule(lr=3e-2, epochs=20, batch_size=8)

METHODS: dict[str, Method] = {
    "zero-shot": InContext(demonstrations=0),
    "icl": InContext(),
    "icl+contextual": InContext(calibration="contextual"),
    "icl+batch": InContext(calibration="batch"),
    "icl+ensemble": InContext(members=4),
    "vanilla": HeadFineTune(Full(), FULL),
    "vanilla+bitfit": HeadFineTune(BitFit(), BITFIT),
    "vanilla+lora": HeadFineTune(LoRA(), LORA),
    "vanilla+adapter": HeadFineTune(Adapter(), LORA),
    "vanilla+frozen": HeadFineTune(Frozen(), LORA),
    "pbft": WordFineTune(Full(), FULL),
    "pbft+bitfit": WordFineTune(BitFit(), BITFIT),
    "pbft+lora": WordFineTune(LoRA(), LORA),
    "pbft+adapter": WordFineTune(Adapter(), LORA),
    "pbft+ia3": WordFineTune(IA3(), SCALES),
    "pbft+prefix": WordFineTune(PrefixTuning(), SCALES),
    "pbft+prompt": WordFineTune(PromptTuning(), PROMPT),
    "adaptive": WordFineTune(LastBlocks(), FULL),
    "adaptive+head": HeadFineTune(LastBlocks(), FULL),
    # The pool is larger than the shots: fewer epochs make as many steps.
    "distill": ContextDistillation(Full(), replace(FULL, epochs=10, batch_size=16)),
    "distill+bitfit": ContextDistillation(BitFit(), replace(BITFIT, epochs=10, batch_size=16)),
    "distill+lora": ContextDistillation(LoRA(), replace(LORA, epochs=10, batch_size=16)),
    "distill+prefix": ContextDistillation(PrefixTuning(), replace(SCALES, epochs=10, batch_size=16)),
    "distill+prompt": ContextDistillation(PromptTuning(), replace(PROMPT, epochs=10, batch_size=16)),
}


def method(name: str, settings: Mapping[str, str] | None = None) -> Method:
    """The method of that name with some settings changed; `pbft+full` is `pbft`.

    Raises UserError that names the nearest where there is none, or the setting that is not one.
    """
    plain = name.removesuffix("+full")
    if plain not in METHODS or (plain != name and f"{plain}+lora" not in METHODS):
        near = [plain] if plain in METHODS else difflib.get_close_matches(name, METHODS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(METHODS)}"
        raise UserError(f"there is no method {name!r}; {hint}")
    found = METHODS[plain]
    if "schedule.lr" in (settings or {}):  # a rate that the user gives is meant as it is
        settings = {"schedule.width": "none", **(settings or {})}
    for path, text in (settings or {}).items():
        found = changed(found, path, text)
    return found


__all__ = ["METHODS", "Fitted", "Method", "method"]
