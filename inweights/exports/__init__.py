"""An export: a folder that loads elsewhere, and the proof that it was loaded again and scored."""

from inweights.exports.card import About
from inweights.exports.export import export
from inweights.exports.load import Artifact, load
from inweights.exports.verify import RejectedError, Verification, verify
from inweights.predictions import Prediction

__all__ = ["About", "Artifact", "Prediction", "RejectedError", "Verification", "export", "load", "verify"]
