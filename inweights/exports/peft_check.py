"""What PEFT could not load again is refused before anything is learned, not after training."""

import warnings

import torch

from inweights.models.base import Backbone
from inweights.types import UserError
from inweights.updates import LoRA
from inweights.updates.peft_format import Target


def refuse_unloadable(model: Backbone, form: str, lora: LoRA) -> None:
    """Raises UserError where PEFT has no place for what `form` (lora, kv or merged) will be stored as."""
    if form == "lora":
        _refuse_layers(model, lora)
    elif form == "kv" and "prefix" in model.card.abilities:
        _refuse_shapes(model)


def _refuse_layers(model: Backbone, lora: LoRA) -> None:
    """PEFT is given the model's shapes alone, and has to put the LoRA on exactly the layers that are trained."""
    from peft import inject_adapter_in_model

    parameters = lora.apply(model, seed=0).parameters
    config = lora.stored(parameters, Target(model, model.card.name)).config
    with torch.device("meta"):
        bare = type(model.module)(model.module.config)
    advice = f"a LoRA of {model.card.architecture} cannot be exported for PEFT: take --as merged, or another model"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inject_adapter_in_model(config, bare)
    except Exception as error:  # PEFT raises what it likes; its reason is in the message
        raise UserError(f"{advice} ({' '.join(str(error).split())})") from error
    placed = {name.split(".lora_A")[0] for name, _ in bare.named_parameters() if ".lora_A." in name}
    trained = {name.split(".lora_A")[0] for name in parameters if ".lora_A." in name}
    if placed != trained:
        first = min(placed ^ trained)
        raise UserError(f"{advice} (PEFT does not put it on the layers that are trained, such as {first})")


def _refuse_shapes(model: Backbone) -> None:
    """PEFT has one table of keys and values, of one width in all blocks."""
    with torch.no_grad():
        one = model.prefix(model.encode(["a"])[0])
    shapes = sorted({(each.shape[0], each.shape[2]) for each in (*one.keys, *one.values)})
    if len(shapes) > 1:
        sizes = " and ".join(f"{heads} x {size}" for heads, size in shapes)
        raise UserError(
            f"keys and values of {model.card.architecture} are of unlike width ({sizes}), and PEFT stores a prefix of one: "
            "take --as lora"
        )
