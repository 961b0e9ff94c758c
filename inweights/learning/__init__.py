"""From sources to a verified folder: read the inputs, learn each form, measure it beside its baselines, export it."""
