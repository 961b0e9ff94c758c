"""Training: one loop that changes parameters, its schedule, its optimizers, and how it is resumed."""

from inweights.training.jobs import Job, Trace
from inweights.training.loop import minimize, minimize_together
from inweights.training.resume import Resume
from inweights.training.schedule import Schedule

__all__ = ["Job", "Resume", "Schedule", "Trace", "minimize", "minimize_together"]
