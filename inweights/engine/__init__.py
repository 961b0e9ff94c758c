"""The packed forward pass: trees of tokens in one row, shared prefixes, several runs at once. Knows no tokenizer."""
