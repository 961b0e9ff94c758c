"""Learning a context: sources cut into pieces, asked about, answered behind, learnt without, measured beside rivals."""
