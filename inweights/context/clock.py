"""Seconds of learning by phase, kept on disk, so that a run that was killed counts those it had spent before."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from inweights.records import write_whole


@dataclass
class Clock:
    """Seconds by phase, and the time budget, which is that of this process."""

    budget: float
    kept: Path
    """Of one run, named by a digest of all it follows from."""
    start: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)
    since: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if self.kept.is_file():
            self.seconds = dict(json.loads(self.kept.read_text(encoding="utf-8")))

    def spent_on(self, phase: str) -> None:
        """What has passed since the last call was spent on `phase`, which may go on."""
        now = time.monotonic()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self.since
        self.since = now
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.kept, json.dumps(self.seconds))

    def at(self, share: float) -> float:
        return self.start + share * self.budget
