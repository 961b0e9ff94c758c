"""A study's folder: one record per run, written whole, and a lock per run, so that processes can share the work."""

import fcntl
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from inweights import records
from inweights.types import Record, Run, UserError


@dataclass(frozen=True)
class Store:
    folder: Path

    def prepare(self, spec: dict[str, object], planned: Sequence[Run] = ()) -> None:
        """Make the folder, and keep the spec beside the records.

        A study can grow: what is asked for later joins what is there, and the spec is the latest one.
        """
        try:
            for name in ("records", "locks"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            records.write_plan(self.folder, [run_id(run) for run in planned])
            records.write_whole(self.folder / "study.json", json.dumps(spec, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            raise UserError(f"the study's folder {self.folder} cannot be written: {error.strerror}") from error

    def path(self, run: Run) -> Path:
        return self.folder / "records" / f"{run_id(run)}.json"

    def find(self, run: Run) -> Record | None:
        return self.find_id(run_id(run))

    def find_id(self, name: str) -> Record | None:
        """The record of the run of that id, if there is one."""
        path = self.folder / "records" / f"{name}.json"
        return records.read(path) if path.exists() else None

    def fitted(self, run: Run) -> Path:
        """A folder, made if it is missing, for what a run has fitted and later runs use."""
        folder = self.folder / "fitted" / run_id(run)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def write(self, record: Record) -> None:
        """Raises UserError on a full disk; an earlier record is then unchanged."""
        try:
            records.write_whole(self.path(record.run), records.to_json(record))
        except OSError as error:
            raise UserError(
                f"the record {self.path(record.run)} cannot be written ({error.strerror}): make room and run the "
                "same command again, which goes on where it stopped"
            ) from error

    @contextmanager
    def claimed(self, run: Run) -> Iterator[bool]:
        """Whether this process holds the run alone. The kernel releases it however the process ends."""
        with (self.folder / "locks" / f"{run_id(run)}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            try:
                yield True
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)

    def targets(self, run: Run) -> Path:
        """The folder for teacher log-probabilities of a run, and of those that differ from it only in their seeds.

        No other: what another method has paid for would make this one look cheaper than it is.
        """
        return self.folder / "targets" / run_id(replace(run, seed=0))

    def wait(self, run: Run) -> None:
        """Wait until no other process holds the run."""
        with (self.folder / "locks" / f"{run_id(run)}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            fcntl.flock(file, fcntl.LOCK_UN)


def run_id(run: Run) -> str:
    """A readable id that differs wherever two runs differ."""
    values = json.dumps(asdict(run), sort_keys=True)
    model = replace(run.weights, name=Path(run.model).name)
    readable = f"{model}-{run.task}-{run.method}-{run.shots}-seed{run.seed}"
    return f"{re.sub(r'[^A-Za-z0-9+.-]', '_', readable)}-{hashlib.sha256(values.encode()).hexdigest()[:10]}"
