"""Counts as people read them."""


def counted(count: int, noun: str) -> str:
    """Such as `1 question` and `1,200 questions`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
