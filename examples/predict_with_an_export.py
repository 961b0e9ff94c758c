"""Hand a fitted method out, load the folder, ask it: python examples/predict_with_an_export.py [MODEL]"""

import sys
from pathlib import Path
from tempfile import mkdtemp

import inweights
from inweights import exports

MODEL = sys.argv[1] if len(sys.argv) > 1 else "embedded"
OUT = Path(mkdtemp()) / "out"

study = inweights.compare(MODEL, "made-topic", ["pbft+lora"], shots=[8], seeds=1, limit=20)
held = next(iter(study.settings[0].task.evaluation.values())).load()[:5]

# Written, loaded in a fresh process, scored again by inweights and by plain libraries; only then does OUT appear.
print(exports.export(study.fit("pbft+lora"), OUT, checks=held))

handed_out = exports.load(OUT)
for example, answer in zip(held, handed_out.predict([each.fields for each in held]), strict=True):
    print(answer.label, f"{answer.probabilities[answer.label]:.2f}", dict(example.fields))
