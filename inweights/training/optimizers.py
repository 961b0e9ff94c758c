"""Optimizers by name, with one group of parameters per learning rate."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from inweights.training.schedule import Schedule
from inweights.types import UserError


def optimizer_of(
    parameters: Mapping[str, nn.Parameter], schedule: Schedule, scales: Mapping[str, float]
) -> torch.optim.Optimizer:
    """Every parameter is in exactly one group, and no group is empty; a group's `peak` is its highest learning rate.

    Raises UserError where the optimizer's library is not installed.
    """
    unknown = sorted(set(scales) - set(parameters))
    assert not unknown, f"learning rates for parameters that do not train: {unknown}"
    by_scale: dict[float, list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        by_scale.setdefault(scales.get(name, 1.0), []).append(parameter)
    groups = [{"params": group, "lr": schedule.lr * scale} for scale, group in by_scale.items()]
    optimizer = _OPTIMIZERS[schedule.optimizer](groups, schedule.weight_decay)
    for group in optimizer.param_groups:
        group["peak"] = group["lr"]
    return optimizer


def _adamw(groups: list[dict[str, Any]], weight_decay: float) -> torch.optim.Optimizer:
    # Fused: one pass over the parameters and their state per step instead of a dozen.
    return torch.optim.AdamW(groups, weight_decay=weight_decay, fused=True)


def _adafactor(groups: list[dict[str, Any]], weight_decay: float) -> torch.optim.Optimizer:
    # torch multiplies the learning rate by the parameter's root mean square, but at least by eps[1]. With its default of
    # 1e-3, LoRA's B, which starts at 0, would hardly move; with 1 the rate means what it means for AdamW.
    return torch.optim.Adafactor(groups, eps=(None, 1.0), weight_decay=weight_decay)


def _adamw_8bit(groups: list[dict[str, Any]], weight_decay: float) -> torch.optim.Optimizer:
    try:
        import bitsandbytes
    except ImportError as error:
        raise UserError("schedule.optimizer is adamw-8bit, which needs bitsandbytes: pip install bitsandbytes") from error
    optimizer: torch.optim.Optimizer = bitsandbytes.optim.AdamW8bit(groups, weight_decay=weight_decay)
    return optimizer


_OPTIMIZERS = {"adamw": _adamw, "adafactor": _adafactor, "adamw-8bit": _adamw_8bit}
