"""inweights moves what is in the prompt into the weights, and knows when that pays."""

__version__ = "0.1.0"
