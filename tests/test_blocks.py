"""Attention in several blocks of sequences of like length is attention in one."""

from itertools import combinations

import pytest
import torch

from inweights.engine import ragged
from inweights.engine.layouts import tree_layout
from inweights.engine.ragged import buckets_of, ragged_of
from inweights.engine.stacked_runs import RunSegment
from inweights.engine.trees import Tree
from tests.tiny import ARCHITECTURES, ENCODERS, tiny

CPU = torch.device("cpu")
LENGTHS = (3, 17, 4, 3, 30, 16)
PREFIX = tuple(range(4, 24))
SEQUENCES = [tuple(4 + (7 * i + j) % 60 for j in range(length)) for i, length in enumerate(LENGTHS)]
PLAIN = [Tree(ids) for ids in SEQUENCES]
BRANCHED = [Tree(ids, ((9, 5), (8,)) if len(ids) > 5 else ()) for ids in SEQUENCES]


@pytest.fixture
def own_blocks(monkeypatch):
    """From here on every length is worth a block."""
    return lambda: monkeypatch.setitem(ragged.ANOTHER_BLOCK, "cpu", 1)


@pytest.mark.parametrize("read", ["last", "all"])
@pytest.mark.parametrize("prefixed", [False, True], ids=["alone", "behind a prefix"])
@pytest.mark.parametrize("trees", [PLAIN, BRANCHED], ids=["plain", "branched"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_and_gradients_do_not_depend_on_the_blocks(architecture, trees, prefixed, read, own_blocks):
    model = tiny(architecture)
    table = model.module.get_input_embeddings().weight.requires_grad_()
    trees = trees if read == "last" else [Tree(tree.stem, tree.branches, tuple(range(len(tree)))) for tree in trees]

    def read_through():
        with torch.no_grad():
            prefix = model.prefix(PREFIX) if prefixed else None
        logits = model.next_token_logits(trees, prefix)
        return logits.detach(), torch.autograd.grad(logits.square().mean(), table)[0]

    expected = read_through()
    own_blocks()
    assert len(tree_layout(trees, CPU).queries.groups) > 3
    torch.testing.assert_close(read_through(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", ["own", "mean"])
@pytest.mark.parametrize("architecture", ENCODERS)
@torch.no_grad()
def test_an_encoder_reads_the_same_in_any_blocks(architecture, pooling, own_blocks):
    model = tiny(architecture)
    expected = model.summaries(SEQUENCES, pooling)
    own_blocks()
    torch.testing.assert_close(model.summaries(SEQUENCES, pooling), expected, rtol=0, atol=1e-5)


def test_runs_that_share_a_row_have_the_blocks_that_they_have_alone(own_blocks):
    own_blocks()
    parts = [PLAIN[:3], PLAIN[3:]]
    segments = [RunSegment(sum(map(len, part)), len(part)) for part in parts]
    together = tree_layout(PLAIN, CPU, segments=segments)
    for part, start, blocks in zip(parts, (0, 3), together.blocks_by_segment, strict=True):
        alone = tree_layout(part, CPU).queries.groups
        assert [tuple(tree - start for tree in together.by_segment.queries.groups[block]) for block in blocks] == list(alone)


@pytest.mark.parametrize("own_cost", [0, 1, 40, 200, 1000, 10**6])
def test_the_groups_are_the_cheapest_there_are(own_cost, monkeypatch):
    monkeypatch.setitem(ragged.ANOTHER_BLOCK, "cpu", own_cost)

    def cost(blocks):
        return sum(len(block) * max(block) ** 2 + own_cost for block in blocks)

    ordered = sorted(LENGTHS)
    cuts = [c for count in range(len(ordered)) for c in combinations(range(1, len(ordered)), count)]
    best = min(cost([ordered[a:b] for a, b in zip((0, *c), (*c, None), strict=True)]) for c in cuts)
    groups = buckets_of(LENGTHS, CPU)
    assert sorted(i for group in groups for i in group) == list(range(len(LENGTHS)))
    assert cost([[LENGTHS[i] for i in group] for group in groups]) == best


def test_a_row_goes_into_blocks_and_comes_back_with_its_gradient():
    grid = ragged_of((2, 5, 1, 2), CPU, ((0, 3), (1,), (2,)))
    row = torch.arange(20.0).view(10, 2).requires_grad_()
    blocks = grid.unpacked(row)
    assert [tuple(block.shape) for block in blocks] == [(2, 2, 2), (1, 5, 2), (1, 1, 2)]
    assert blocks[0][1].tolist() == row[8:].tolist()
    weights = torch.randn(10, 2)
    back = grid.packed([block * 3 for block in blocks])
    (back * weights).sum().backward()
    torch.testing.assert_close(back, 3 * row)
    torch.testing.assert_close(row.grad, 3 * weights)


def test_a_tree_without_a_token_has_its_place():
    grid = ragged_of((0, 2), CPU, ((0,), (1,)))
    assert grid.packed(grid.unpacked(torch.ones(2, 3))).shape == (2, 3)
