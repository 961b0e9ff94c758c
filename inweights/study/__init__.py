"""Studies: the same frozen examples for every method, measured, recorded, resumable."""

from inweights.study.api import compare
from inweights.study.spec import Spec, spec_of
from inweights.study.study import Study

__all__ = ["Spec", "Study", "compare", "spec_of"]
