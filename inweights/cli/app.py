"""The verbs. Their files import heavy libraries only when they run, so that `--help` does not wait for them."""

import typer

from inweights import __version__
from inweights.cli.ask import ask
from inweights.cli.best import best
from inweights.cli.compare import compare
from inweights.cli.env import env
from inweights.cli.eval import evaluate
from inweights.cli.learn import learn
from inweights.cli.methods import methods
from inweights.cli.plan import plan
from inweights.cli.predict import predict
from inweights.cli.probe import probe
from inweights.cli.report import report
from inweights.cli.update import update

app = typer.Typer(
    name="inweights",
    help="Move what is in the prompt into the weights, and know when that pays.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(compare)
app.command()(plan)
app.command()(report)
app.command()(best)
app.command()(predict)
app.command("eval")(evaluate)
app.command()(probe)
app.command()(learn)
app.command()(ask)
app.command()(update)
app.command()(methods)
app.command()(env)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"inweights {__version__}")
        raise typer.Exit


@app.callback()
def _top(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True)) -> None: ...
