"""Gradients of embeddings and LM heads put into one table equal torch's, and the table is used again."""

import pytest
import torch
from torch import nn

from inweights.engine import embedding_gradients
from inweights.engine.embedding_gradients import gradients_added
from inweights.engine.swap import Swap
from inweights.engine.trees import Tree
from tests.tiny import tiny

TREES = [Tree((7, 4, 6, 8, 5), ((3, 9), (5,))), Tree((10, 5, 4))]


def of_everything(architecture, vocabulary=None):
    """The model with every weight private, and a function that leaves the gradients of one pass in them."""
    model = tiny(architecture)
    names = [name for name, _ in model.module.named_parameters()]
    copies = {name: nn.Parameter(p.detach().clone()) for name, p in model.module.named_parameters()}
    swapped = model.patched(Swap(model.module, copies))

    def backward():
        swapped.next_token_logits(TREES, None, vocabulary).logsumexp(-1).sum().backward()

    return [copies[name] for name in names], backward


@pytest.mark.parametrize("rows", [None, (9, 4, 60)], ids=["all logits", "some logits"])
@pytest.mark.parametrize("architecture", ["opt", "opt-350m", "llama", "gpt2", "gemma2"])
def test_gradients_equal_those_of_torch_in_every_step(architecture, rows):
    """Tied (OPT, GPT-2, Gemma) and apart (Llama); a second pass adds to the first, a new step begins at nothing."""
    parameters, backward = of_everything(architecture, None if rows is None else torch.tensor(rows))
    backward()
    expected = [None if p.grad is None else p.grad.clone() for p in parameters]
    used = []
    with gradients_added():
        for _ in range(2):
            for p in parameters:
                p.grad = None
            backward()
            found = [None if p.grad is None else p.grad.clone() for p in parameters]
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
            used.append({id(table): table.data_ptr() for table in embedding_gradients._tables.get().values()})
            assert set(used[-1].values()) <= {p.grad.data_ptr() for p in parameters if p.grad is not None}
            backward()
            torch.testing.assert_close(parameters[0].grad, 2 * expected[0], rtol=1e-4, atol=1e-5)
    assert used[0] == used[1]
    # Llama's head is apart, and GPT-2's positions are a plain embedding too.
    assert len(used[0]) == (2 if architecture in ("llama", "gpt2") else 1)


def test_a_table_swapped_twice_comes_back():
    """Private weights over private weights, such as those of a model that was fine-tuned before."""
    model = tiny("llama")
    before = dict(model.module.named_parameters())
    once, twice = ({name: nn.Parameter(p.detach().clone()) for name, p in before.items()} for _ in range(2))
    both = model.patched(Swap(model.module, once)).patched(Swap(model.module, twice))
    with gradients_added():
        both.next_token_logits(TREES).sum().backward()
    assert all(p is before[name] for name, p in model.module.named_parameters())
    assert not any("forward" in vars(each) for each in model.module.modules())
    assert all(p.grad is not None for p in twice.values())
    assert all(p.grad is None for p in once.values())
