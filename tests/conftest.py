"""What every test has: no network, one thread, and tiny random models that are loaded once."""

import os
from collections.abc import Iterator

os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub is imported, which reads it once

import pytest
import torch
import transformers

from inweights.models.base import Backbone
from tests.pages import CHROMIUM, FLAGS
from tests.tiny import tiny

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


@pytest.fixture(scope="session")
def causal() -> Backbone:
    """A Llama of two layers. Shared by all tests: what dirties its weights is a bug that the next test meets."""
    return tiny("llama")


@pytest.fixture(scope="session")
def encoder() -> Backbone:
    """A BERT of two layers, shared likewise."""
    return tiny("bert")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()
