"""Which runs of a study a user means, and what to say where there are none."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inweights.types import Run, UserError


@dataclass(frozen=True)
class Wanted:
    """None: any."""

    task: str | None = None
    model: str | None = None
    method: str | None = None
    """A method's own name, not an alias."""
    pattern: str | None = None
    shots: int | None = None
    seed: int | None = None

    def __contains__(self, run: Run) -> bool:
        """Shots and seed are not looked at where no draw changes the method, which is run with 0 of both."""
        drawn = bool(run.shots)
        pairs = [
            (self.task, run.task),
            (self.method, run.method),
            (self.pattern, run.prompt),
            (self.shots, run.shots if drawn else self.shots),
            (self.seed, run.seed if drawn else self.seed),
        ]
        named = self.model in (None, run.model, str(run.weights))
        return named and all(asked in (None, there) for asked, there in pairs)

    def drawn_in(self, runs: Iterable[Run]) -> bool:
        """Whether any of the runs has these shots and this seed, or no draw changes any of them."""
        drawn = [run for run in runs if run.shots]
        there = [run for run in drawn if self.shots in (None, run.shots) and self.seed in (None, run.seed)]
        return bool(there) or not drawn


ANY = Wanted()


def no_such(wanted: Wanted, runs: Iterable[Run], what: str = "run") -> UserError:
    """One line with what was asked for and what of it there is."""
    there = list(runs)
    given = ", ".join(f"{name} {value}" for name, value in vars(wanted).items() if value is not None)
    of_method = [run for run in there if run.method == wanted.method] or there
    return UserError(f"the study has no {what} with {given}; it has {_listed(of_method)}{_near(wanted, there)}")


def _near(wanted: Wanted, runs: Sequence[Run]) -> str:
    names = {run.method for run in runs}
    near = difflib.get_close_matches(wanted.method or "", names, n=1)
    return f"; did you mean {near[0]}?" if near and wanted.method not in names else ""


def _listed(runs: Sequence[Run]) -> str:
    """Such as `zero-shot, icl with 16 shots and seeds 0, 1`."""
    several = {name: len({getattr(run, name) for run in runs}) > 1 for name in ("task", "model", "prompt")}
    seeds: dict[str, list[str]] = {}
    for run in runs:
        of = "".join(f" on {getattr(run, name)}" for name in ("task", "model") if several[name])
        of += f" by {run.prompt}" if several["prompt"] else ""
        seeds.setdefault(f"{run.method}{of}" + (f" with {run.shots} shots" if run.shots else ""), []).append(str(run.seed))
    return "; ".join(
        name + (f" and seed{'s' if len(each) > 1 else ''} {', '.join(each)}" if " shots" in name else "")
        for name, each in seeds.items()
    )
