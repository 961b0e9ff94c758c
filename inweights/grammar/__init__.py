"""The made language: a small English with features to classify, pairs to compare and facts to ask about."""
