"""Five lines for a notebook: python examples/notebook.py [MODEL]"""

import sys

import inweights
from inweights.types import Example

MODEL = sys.argv[1] if len(sys.argv) > 1 else "embedded"

study = inweights.compare(MODEL, "made-topic", ["icl", "pbft+lora"], shots=[8], seeds=2, limit=20)
print(study.table())  # in a notebook, `study` alone shows it
fitted = study.fit("pbft+lora")
inputs = [Example(dict.fromkeys(fitted.readout.prompt.field_names, "The cook sold the red lamp."))]
print(dict(zip(fitted.readout.prompt.labels, fitted.readout(inputs).softmax(-1)[0].tolist(), strict=True)))
