"""Learning a context: questions about its pieces, answers with them, training without them, and the rivals of that."""
