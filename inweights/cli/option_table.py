"""Options as a table, from which typer makes the command line and its help; a command takes them as `**options`."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from typer import Option


@dataclass(frozen=True)
class TableOption:
    """One option; its name is that of the value, which is None if the option is not given."""

    kind: Any
    help: str
    flags: tuple[str, ...] = ()
    """Where they are not made of the name."""
    value: Callable[[Any], Any] = lambda given: given
    """From what the shell gives to what is taken."""

    @property
    def annotation(self) -> Any:
        return Annotated[self.kind | None, Option(*self.flags, help=self.help)]


Table = Mapping[str, TableOption]


def given_values(table: Table, options: Mapping[str, Any]) -> dict[str, Any]:
    """Of the options of the table that were given."""
    given = {name: options[name] for name in table if options.get(name) not in (None, [], "")}
    return {name: table[name].value(each) for name, each in given.items()}


def takes_options(*tables: Table) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorates a command: the options of the tables stand in the place of its `**options`."""

    def taking(command: Callable[..., None]) -> Callable[..., None]:
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = inspect.signature(command).parameters.values()
        own = [each.replace(kind=keyword) for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD]
        rows = [row for table in tables for row in table.items()]
        added = [inspect.Parameter(name, keyword, default=None, annotation=each.annotation) for name, each in rows]
        command.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in [*own, *added]}
        return command

    return taking
