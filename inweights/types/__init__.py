"""The plain values that every part passes about. Standard library only, so importing them is free."""

from inweights.types.errors import DivergedError, NothingFitsError, UserError, is_out_of_memory
from inweights.types.prompts import ChatFrame, Example, Prompt
from inweights.types.queries import Ability, Dtype, Quantization, Query, Weights
from inweights.types.records import FAILED, Cost, Latency, Outcome, Record, Status
from inweights.types.runs import Budget, Run
from inweights.types.tasks import Domain, Seeds, Shots, Split, Task

__all__ = [
    "FAILED",
    "Ability",
    "Budget",
    "ChatFrame",
    "Cost",
    "DivergedError",
    "Domain",
    "Dtype",
    "Example",
    "Latency",
    "NothingFitsError",
    "Outcome",
    "Prompt",
    "Quantization",
    "Query",
    "Record",
    "Run",
    "Seeds",
    "Shots",
    "Split",
    "Status",
    "Task",
    "UserError",
    "Weights",
    "is_out_of_memory",
]
