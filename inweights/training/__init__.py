"""The fast core's other half: one loop that changes parameters, and how long, how fast and in what steps it does."""

from inweights.training.jobs import Job, Trace
from inweights.training.loop import minimize, minimize_together
from inweights.training.resume import Resume
from inweights.training.schedule import Schedule

__all__ = ["Job", "Resume", "Schedule", "Trace", "minimize", "minimize_together"]
