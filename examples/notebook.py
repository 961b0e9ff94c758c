"""Five lines for a notebook: python examples/notebook.py [MODEL]"""

import sys

import inweights

MODEL = sys.argv[1] if len(sys.argv) > 1 else "embedded"

study = inweights.compare(MODEL, "made-topic", ["icl", "pbft+lora"], shots=[8], seeds=2, limit=20)
print(study.table())  # in a notebook, `study` alone shows it
print(study.fit("pbft+lora").predict(["The cook sold the red lamp."]))
