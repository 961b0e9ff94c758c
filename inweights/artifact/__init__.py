"""A hand-out: a folder that loads elsewhere, and the proof that it was loaded again and scored."""

from inweights.artifact.card import About
from inweights.artifact.export import export
from inweights.artifact.load import Artifact, Prediction, load
from inweights.artifact.verify import Proof, RejectedError, verify

__all__ = ["About", "Artifact", "Prediction", "Proof", "RejectedError", "export", "load", "verify"]
