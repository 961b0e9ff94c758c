"""Which family a model is of, from its configuration alone: what a grid has to know before anything is loaded."""

from inweights.models import locate
from inweights.models.base import Family


def family_of(name: str) -> Family:
    """Raises UserError as `load` does where there is no such model."""
    from inweights.models.folder import configuration, is_encoder, quiet

    with quiet():
        return "encoder" if is_encoder(configuration(name, locate(name))) else "causal"
