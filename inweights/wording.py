"""Counts, durations and sizes as people read them."""


def counted(count: int, noun: str) -> str:
    """Such as `1 question` and `1,200 questions`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """Such as `10.25 ms`, `40.0 s`, `12.5 min` and `3.1 h`."""
    if seconds < 1:
        return f"{1e3 * seconds:.2f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def about(seconds: float) -> str:
    """Such as `about 40 s` and `about 3 min`, of what is not known to more digits."""
    text = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
    return f"about {text}"


def size(count: float) -> str:
    """Bytes in powers of 1,000, such as `318.25 MB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.2f} {unit}"
    return f"{count:.0f} B"
