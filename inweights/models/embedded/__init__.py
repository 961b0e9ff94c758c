"""The language model that ships with the package: trained by the project on the made language, offline, small."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
