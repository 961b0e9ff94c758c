"""What the fresh process does: score an export's checks by inweights and by plain libraries, print both as JSON."""

import json
import sys
from pathlib import Path

from inweights import cards
from inweights.exports import context_card
from inweights.exports.load import load
from inweights.exports.load_context import load as load_context
from inweights.exports.load_context import next_token_scores
from inweights.exports.reference_loader import plain_next_tokens, plain_scores
from inweights.models import locate
from inweights.types import UserError

Scores = dict[str, list[list[float]]]
"""By loader, one row for each check."""


def main(folder: str, model: str | None = None) -> None:
    path = Path(folder)
    print(json.dumps(_of_context(path, model) if (path / cards.CONTEXT_CARD).is_file() else _of_readout(path, model)))


def _of_readout(folder: Path, model: str | None) -> Scores:
    artifact = load(folder, model)
    place = locate(model or artifact.manifest.base.name)
    scores = artifact.readout([check.example for check in artifact.manifest.checks]).tolist()
    del artifact  # its weights, before they are loaded once more
    return {"inweights": scores, "plain": plain_scores(folder, place)}


def _of_context(folder: Path, model: str | None) -> Scores:
    card = context_card.read(folder)
    found: Scores = {"inweights": [], "plain": []}
    for form in card.forms:
        checks = [each.next_tokens[form] for each in card.probes]
        prompts, tokens = [each.ids for each in checks], [each.tokens for each in checks]
        found["inweights"] += next_token_scores(load_context(folder, model, form).learned, prompts, tokens)
        place = str(card.folder_of(form, folder))
        base = place if form == "merged" else locate(model or card.base.name)
        adapter = None if form == "merged" else place
        found["plain"] += plain_next_tokens(base, adapter, card.base.dtype, prompts, tokens)
    return found


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except UserError as error:
        sys.exit(str(error))
