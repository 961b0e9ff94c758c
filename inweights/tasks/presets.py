"""Every preset by name. A new one is a constant in the file of its family and a name here."""

from inweights.tasks.acceptability import COLA
from inweights.tasks.nli import CB, MNLI, MNLI_MERGED, MNLI_NO_NEUTRAL, RTE
from inweights.tasks.paraphrase import QQP
from inweights.tasks.preset import Preset
from inweights.tasks.questions import TREC
from inweights.tasks.sentiment import SST2

PRESETS: dict[str, Preset] = {
    preset.name: preset for preset in (RTE, MNLI, MNLI_NO_NEUTRAL, MNLI_MERGED, CB, QQP, COLA, SST2, TREC)
}
