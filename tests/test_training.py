"""The training loop: what it promises of any loss, on losses small enough to check by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from inweights.engine.stacked_runs import RunSegment, each_by_run
from inweights.training import Job, Schedule, Trace, minimize, minimize_together
from inweights.types import DivergedError, Seeds, UserError

SEEDS = Seeds(data=1, order=2, init=3, dropout=4)
CONSTANT = Schedule(lr=0.1, epochs=3, batch_size=2, warmup=0.0, decay="constant")


def trained(loss, parameters, items, schedule, seeds, module, lr_scales=None, starts=None, **options) -> Trace:
    return minimize(loss, Job(parameters, items, schedule, seeds, lr_scales or {}, starts or {}), module, **options)


def point(*values: float) -> dict[str, nn.Parameter]:
    return {"x": nn.Parameter(torch.tensor(values))}


def squares(parameters: dict[str, nn.Parameter]):
    """(x - item)^2 for each item."""

    def loss(items) -> Tensor:
        return (parameters["x"] - torch.tensor([float(item) for item in items])) ** 2

    return loss


def fitted(schedule: Schedule = CONSTANT, seeds: Seeds = SEEDS, **options) -> tuple[Tensor, tuple[float, ...]]:
    parameters = point(0.0)
    trace = trained(squares(parameters), parameters, range(5), schedule, seeds, nn.Identity(), **options)
    return parameters["x"].detach(), trace.losses


def test_steps_are_those_of_torchs_own_adamw():
    x = nn.Parameter(torch.tensor([3.0]))
    optimizer = torch.optim.AdamW([x], lr=0.1, weight_decay=0.3, fused=False)
    for _ in range(7):
        optimizer.zero_grad()
        ((x - 1) ** 2).sum().backward()
        nn.utils.clip_grad_norm_([x], 0.5)
        optimizer.step()
    parameters = point(3.0)
    schedule = replace(CONSTANT, epochs=7, batch_size=1, weight_decay=0.3, clip_norm=0.5)
    trained(squares(parameters), parameters, [1], schedule, SEEDS, nn.Identity())
    torch.testing.assert_close(parameters["x"].detach(), x.detach(), rtol=0, atol=1e-6)


def test_learning_rate_rises_then_falls_as_the_schedule_says():
    def factors(schedule: Schedule) -> list[float]:
        return [round(schedule.factor(step, 10), 3) for step in range(10)]

    warm = replace(CONSTANT, warmup=0.2)
    assert factors(warm) == [0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    assert factors(replace(warm, decay="linear")) == [0.5, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]
    cosine = factors(replace(warm, decay="cosine"))
    assert cosine[2] == 1
    assert cosine[6] == 0.5
    assert cosine[9] == round(0.5 * (1 + math.cos(math.pi * 7 / 8)), 3)


def test_a_rate_for_one_width_is_scaled_to_another():
    assert Schedule(lr=1e-4, width=384).on(4096).lr == pytest.approx(1e-4 * 384 / 4096)
    assert Schedule(lr=1e-4).on(4096) == Schedule(lr=1e-4)


def test_every_item_is_seen_once_in_each_epoch():
    seen = []
    parameters = point(0.0)

    def loss(items) -> Tensor:
        seen.append(list(items))
        return squares(parameters)(items)

    trained(loss, parameters, range(5), CONSTANT, SEEDS, nn.Identity())
    assert [len(batch) for batch in seen] == [2, 2, 1] * 3
    epochs = [[item for batch in seen[start : start + 3] for item in batch] for start in (0, 3, 6)]
    assert [sorted(epoch) for epoch in epochs] == [[0, 1, 2, 3, 4]] * 3
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_equal_seeds_give_equal_bits_and_another_order_seed_gives_other_losses():
    assert torch.equal(fitted()[0], fitted()[0])
    assert fitted()[1] == fitted()[1]
    assert fitted(seeds=replace(SEEDS, order=99))[1] != fitted()[1]


def test_a_batch_in_pieces_gives_the_gradient_of_the_whole():
    whole, _ = fitted(replace(CONSTANT, batch_size=5))
    pieces, _ = fitted(replace(CONSTANT, batch_size=5), pieces=lambda rows: [rows[:1], rows[1:]])
    torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-6)


def test_budget_caps_the_steps():
    assert len(fitted(most_steps=4)[1]) == 4
    assert len(fitted(most_steps=400)[1]) == 9


def test_global_generators_and_training_mode_are_left_as_they_were():
    module = nn.Sequential(nn.Dropout(0.5), nn.Linear(1, 1))
    module[1].train(False)
    module[0].train(True)
    parameters = point(0.0)
    modes = []

    def loss(items) -> Tensor:
        modes.append((module[0].training, module[1].training))
        return squares(parameters)(items) * module[0](torch.ones(len(items)))

    state = torch.random.get_rng_state()
    trained(loss, parameters, range(5), CONSTANT, SEEDS, module)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert set(modes) == {(True, True)}
    assert (module[0].training, module[1].training) == (True, False)


def test_dropout_follows_its_own_seed():
    def run(dropout: int) -> Tensor:
        parameters, drop = point(0.0), nn.Dropout(0.5)
        seeds = replace(SEEDS, dropout=dropout)

        def loss(items) -> Tensor:
            return squares(parameters)(items) * drop(torch.ones(len(items)))

        trained(loss, parameters, range(5), CONSTANT, seeds, drop)
        return parameters["x"].detach()

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


def test_an_interrupt_leaves_mode_and_generators_as_they_were():
    module = nn.Dropout(0.5).eval()

    def loss(items) -> Tensor:
        raise KeyboardInterrupt

    state = torch.random.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        trained(loss, point(0.0), range(5), CONSTANT, SEEDS, module)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not module.training


def test_a_loss_that_is_not_finite_stops_with_its_step_and_value():
    parameters = point(0.0)
    calls = []

    def loss(items) -> Tensor:
        calls.append(items)
        return squares(parameters)(items) * (math.nan if len(calls) == 3 else 1)

    with pytest.raises(DivergedError, match="the loss was nan at step 3 of 9: lower the learning rate"):
        trained(loss, parameters, range(5), CONSTANT, SEEDS, nn.Identity())


def test_a_weight_that_is_not_finite_at_the_end_is_divergence_too():
    parameters = point(3e38)

    def loss(items) -> Tensor:
        return (parameters["x"] / -1e38).expand(len(items))

    with pytest.raises(DivergedError, match="a weight was not finite after step 1"):
        trained(loss, parameters, range(5), replace(CONSTANT, lr=1e38), SEEDS, nn.Identity(), most_steps=1)


def test_optimizer_bytes_are_two_moments_and_a_count_for_each_parameter():
    parameters = {"a": nn.Parameter(torch.zeros(10)), "b": nn.Parameter(torch.zeros(3)), "c": nn.Parameter(torch.zeros(7))}

    def loss(items) -> Tensor:
        return (parameters["a"].sum() - parameters["b"].sum()).expand(len(items))

    trace = trained(loss, parameters, range(5), CONSTANT, SEEDS, nn.Identity())
    assert trace.optimizer_bytes == 2 * 4 * (10 + 3) + 2 * 4
    assert trace.moved == {"a", "b"}


def test_rates_scale_by_name_and_a_late_parameter_waits_for_its_share_of_the_steps():
    parameters = {name: nn.Parameter(torch.zeros(1)) for name in ("fast", "slow", "late")}
    values = []

    def loss(items) -> Tensor:
        values.append({name: parameter.item() for name, parameter in parameters.items()})
        return sum(parameters.values()).expand(len(items))

    schedule = replace(CONSTANT, epochs=10, batch_size=5)
    scales, starts = {"slow": 0.1}, {"late": 0.5}
    trained(loss, parameters, range(5), schedule, SEEDS, nn.Identity(), lr_scales=scales, starts=starts)
    # Adam's first step is the learning rate, whatever the gradient's size.
    assert values[1]["fast"] == pytest.approx(-0.1, abs=1e-5)
    assert values[1]["slow"] == pytest.approx(-0.01, abs=1e-5)
    assert values[5]["late"] == 0
    assert values[6]["late"] == pytest.approx(-0.1, abs=1e-5)


def test_snapshots_lie_at_equal_distances_and_the_last_is_the_end():
    parameters = point(0.0)
    trace = trained(squares(parameters), parameters, range(5), CONSTANT, SEEDS, nn.Identity(), snapshots=3)
    assert sorted(trace.snapshots) == [3, 6, 9]
    assert torch.equal(trace.snapshots[9]["x"], parameters["x"])
    early = point(0.0)
    trained(squares(early), early, range(5), CONSTANT, SEEDS, nn.Identity(), most_steps=3)
    assert torch.equal(trace.snapshots[3]["x"], early["x"])


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("lr", 0.0, "above 0"),
        ("lr", math.nan, "above 0"),
        ("epochs", 0, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("warmup", 1.5, "a share from 0 to 1"),
        ("weight_decay", -0.1, "at least 0"),
        ("clip_norm", -1.0, "at least 0"),
    ],
)
def test_a_schedule_that_cannot_be_says_what_is_wanted(setting, value, wanted):
    with pytest.raises(UserError, match=f"schedule.{setting} is {value}: expected {wanted}"):
        replace(CONSTANT, **{setting: value})


def test_runs_that_train_together_come_out_as_each_does_alone():
    """Unlike in data, seeds, rates, batches and steps; one ends early; dropout draws from a stream of each."""

    def runs() -> list[Job]:
        long = replace(CONSTANT, lr=0.03, epochs=9, decay="cosine", clip_norm=0.1, batch_size=3)
        stops = replace(CONSTANT, stop_loss=1e9)
        schedules = (CONSTANT, long, stops)
        return [Job(point(float(i)), range(3 + i), each, Seeds(i, 10 + i, i, 20 + i)) for i, each in enumerate(schedules)]

    def of(job: Job, items, factor: Tensor) -> Tensor:
        return squares(job.parameters)(items) * factor

    def losses(jobs: list[Job], drop: nn.Module):
        def each(asked):
            drawn = each_by_run([RunSegment(1, 1)] * len(asked), lambda segment: drop(torch.ones(1)))
            return {n: of(jobs[n], items, one) for (n, items), one in zip(asked.items(), drawn, strict=True)}

        return each

    together, drop = runs(), nn.Dropout(0.5)
    traces = minimize_together(losses(together, drop), together, drop)
    alone = runs()
    for job, other, trace in zip(together, alone, traces, strict=True):
        expected = minimize(lambda items, job=other: of(job, items, drop(torch.ones(1))), other, drop)
        assert trace.losses == pytest.approx(expected.losses, abs=1e-6)
        torch.testing.assert_close(job.parameters["x"], other.parameters["x"], rtol=0, atol=1e-6)
    assert list(map(len, (trace.losses for trace in traces))) == [6, 18, 3]


def test_a_step_that_memory_has_no_room_for_is_done_again_in_smaller_parts():
    sizes, parameters = [], point(0.0)

    def loss(items) -> Tensor:
        sizes.append(len(items))
        if len(items) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return squares(parameters)(items)

    schedule = replace(CONSTANT, batch_size=5)
    trace = trained(loss, parameters, range(5), schedule, SEEDS, nn.Identity())
    assert sizes == [5, 3] + [2, 2, 1] * 3  # whole, halves, quarters; later steps begin with quarters
    expected = point(0.0)
    whole = trained(squares(expected), expected, range(5), schedule, SEEDS, nn.Identity())
    assert trace.losses == pytest.approx(whole.losses, abs=1e-6)
    torch.testing.assert_close(parameters["x"], expected["x"], rtol=0, atol=1e-6)


def test_memory_that_has_no_room_for_one_item_is_said():
    def loss(items) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        trained(loss, point(0.0), range(5), CONSTANT, SEEDS, nn.Identity())


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_optimizers_are_torchs_own(optimizer):
    x = nn.Parameter(torch.tensor([[3.0, 1.0], [2.0, 4.0]]))
    kind = {"adamw": torch.optim.AdamW, "adafactor": torch.optim.Adafactor}[optimizer]
    own = kind([x], lr=0.1, weight_decay=0.0, **({"eps": (None, 1.0)} if optimizer == "adafactor" else {}))
    for _ in range(4):
        own.zero_grad()
        (x**2).sum().backward()
        own.step()
    parameters = {"x": nn.Parameter(torch.tensor([[3.0, 1.0], [2.0, 4.0]]))}
    schedule = replace(CONSTANT, epochs=4, batch_size=1, clip_norm=0.0, optimizer=optimizer)
    trained(lambda items: (parameters["x"] ** 2).sum()[None], parameters, [1], schedule, SEEDS, nn.Identity())
    torch.testing.assert_close(parameters["x"].detach(), x.detach(), rtol=0, atol=1e-6)
