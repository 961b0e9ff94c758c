"""What the fresh process does: score a export's checks by inweights and by plain libraries, print both as JSON."""

import json
import sys
from pathlib import Path

from inweights.exports.load import load
from inweights.exports.reference_loader import plain_scores
from inweights.models import locate
from inweights.types import UserError


def main(folder: str, model: str | None = None) -> None:
    artifact = load(folder, model)
    place = locate(model or artifact.manifest.base.name)
    scores = artifact.readout([check.example for check in artifact.manifest.checks]).tolist()
    del artifact  # its weights, before they are loaded once more
    print(json.dumps({"inweights": scores, "plain": plain_scores(Path(folder), place)}))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except UserError as error:
        sys.exit(str(error))
