"""Path, scheduler, loss and sampler against direct computations and an exact distribution."""

import itertools

import pytest
import torch

from dubbench.systems.diflowdubber.flow.loss import FlowLoss, FlowNoise
from dubbench.systems.diflowdubber.flow.path import MixturePath
from dubbench.systems.diflowdubber.flow.sampler import Sampler, draw_codes, draw_noise
from dubbench.systems.diflowdubber.flow.scheduler import PolynomialScheduler


def test_scheduler_is_t_squared_with_its_derivative():
    t = torch.linspace(0, 1, 101, dtype=torch.float64, requires_grad=True)
    kappa = PolynomialScheduler().kappa(t)
    assert kappa[0] == 0 and kappa[-1] == 1 and (kappa.diff() > 0).all()
    torch.testing.assert_close(kappa, t * t)
    (slope,) = torch.autograd.grad(kappa.sum(), t)
    torch.testing.assert_close(PolynomialScheduler().speed(t), slope)


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_jump_is_the_integrated_velocity(power):
    scheduler = PolynomialScheduler(power)
    s = torch.linspace(0.2, 0.7, 100_001, dtype=torch.float64)
    rate = scheduler.speed(s) / (1 - scheduler.kappa(s))
    expected = 1 - torch.exp(-torch.trapezoid(rate, s))
    torch.testing.assert_close(scheduler.jump(s[0], s[-1]), expected, rtol=1e-8, atol=0)
    assert scheduler.jump(torch.tensor(0.37), torch.tensor(1.0)) == 1


def test_path_samples_its_own_probabilities():
    path = MixturePath(mask=4)
    x1 = torch.tensor([[[2]]]).expand(1, 1, 200_000)
    t = torch.tensor([0.6])
    p = path.probability(x1[..., :1], t)[0, 0, 0]
    assert p.tolist() == pytest.approx([0, 0, 0.36, 0, 0.64])
    xt = path.sample(x1, t, torch.rand(x1.shape))
    shares = torch.bincount(xt.flatten(), minlength=5) / xt.numel()
    torch.testing.assert_close(shares, p, atol=0.004, rtol=0)


def test_path_ends_are_mask_and_data():
    path, x1 = MixturePath(mask=9), torch.randint(0, 9, (2, 3, 5))
    assert (path.sample(x1, torch.zeros(2), torch.rand(x1.shape)) == 9).all()
    assert (path.sample(x1, torch.ones(2), torch.rand(x1.shape)) == x1).all()


def test_velocity_is_equation_8():
    path = MixturePath(mask=3)
    xt = torch.tensor([[[3, 1]]])
    posterior = torch.tensor([[[[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]]]])
    t = torch.tensor([0.5])
    u = path.velocity(posterior, xt, t)
    factor = 2 * 0.5 / (1 - 0.25)
    expected = factor * torch.tensor([[[[0.2, 0.3, 0.5, -1.0], [0.1, 0.8 - 1, 0.1, 0.0]]]])
    torch.testing.assert_close(u, expected)
    torch.testing.assert_close(u.sum(-1), torch.zeros(1, 1, 2))


def test_velocity_generates_the_path():
    """The continuity equation: d/dt p_t(x) = Σ_z u_t(x, z) p_t(z), for the path conditioned on x_1."""
    path, x1, t, h = MixturePath(mask=3), torch.tensor([[[1]]]), 0.4, 1e-3
    p = [path.probability(x1, torch.tensor([s], dtype=torch.float64))[0, 0, 0] for s in (t - h, t, t + h)]
    posterior = torch.nn.functional.one_hot(x1, 3).double()
    now = torch.tensor([t], dtype=torch.float64)
    flow = sum(path.velocity(posterior, torch.tensor([[[z]]]), now)[0, 0, 0] * p[1][z] for z in range(4))
    torch.testing.assert_close(flow, (p[2] - p[0]) / (2 * h), atol=1e-6, rtol=0)


@pytest.mark.parametrize("positions", ["all", "masked"])
def test_loss_is_equation_1(positions):
    logits = torch.randn(2, 2, 3, 5)
    x1 = torch.randint(0, 5, (2, 2, 3))
    xt = torch.where(torch.rand(x1.shape) < 0.5, x1, 5)
    lengths = [3, 2]
    terms = [
        -torch.log(torch.exp(logits[b, s, i]) / torch.exp(logits[b, s, i]).sum())[x1[b, s, i]]
        for b in range(2)
        for s in range(2)
        for i in range(lengths[b])
        if positions == "all" or xt[b, s, i] == 5
    ]
    valid = torch.tensor([[True, True, True], [True, True, False]])
    loss = FlowLoss(5, positions)(logits, x1, xt, valid)
    torch.testing.assert_close(loss, torch.stack(terms).mean())


def test_loss_of_nothing_is_zero_with_zero_gradient():
    logits = torch.randn(1, 1, 2, 5, requires_grad=True)
    x1 = torch.zeros(1, 1, 2, dtype=torch.long)
    loss = FlowLoss(5, "masked")(logits, x1, x1, torch.ones(1, 2, dtype=torch.bool))
    loss.backward()
    assert loss == 0 and (logits.grad == 0).all()


def test_training_noise_of_a_clip_ignores_its_batch():
    alone = FlowNoise.draw([5], 3, [7])
    among = FlowNoise.draw([9, 5, 2], 3, [1, 7, 3])
    assert alone.t[0] == among.t[1] and torch.equal(alone.u[0], among.u[1, :, :5])


def test_sampling_noise_of_a_clip_ignores_its_batch():
    alone, among = draw_noise([5], 2, 4, [7]), draw_noise([9, 5], 2, 4, [1, 7])
    assert torch.equal(alone[0], among[1, ..., :5])
    assert (among[1, ..., 5:] == 0).all()


def test_codes_follow_their_probabilities():
    p = torch.tensor([0.0, 0.1, 0.0, 0.6, 0.3, 0.0])
    codes = draw_codes(p.expand(200_000, -1), torch.rand(200_000))
    torch.testing.assert_close(torch.bincount(codes, minlength=6) / 200_000, p, atol=0.005, rtol=0)
    edges = draw_codes(p.expand(2, -1), torch.tensor([0.0, 1 - 2**-24]))
    assert edges.tolist() == [1, 4]


class Toy:
    """Three tokens of three codes with a joint distribution; its exact posterior as a denoiser."""

    mask = 3

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(5)
        self.joint = torch.rand(3, 3, 3, generator=generator) ** 3
        self.joint /= self.joint.sum()
        self.table = {
            state: torch.log(self._posterior(state) + 1e-30) for state in itertools.product(range(4), repeat=3)
        }
        self.lookup = torch.stack([self.table[state] for state in sorted(self.table)])

    def _posterior(self, state) -> torch.Tensor:
        """p(x_1^i | x_t) for each i: condition the joint on what is shown (the mask's timing tells nothing more)."""
        shown = self.joint.clone()
        for axis, code in enumerate(state):
            if code != self.mask:
                keep = torch.zeros(3)
                keep[code] = 1
                shown = shown * keep.view([-1 if a == axis else 1 for a in range(3)])
        shown = shown / shown.sum().clamp(min=1e-30)
        return torch.stack([shown.sum([a for a in range(3) if a != axis]) for axis in range(3)])

    def __call__(self, xt: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return self.lookup[(xt[:, 0] * torch.tensor([16, 4, 1])).sum(-1)][:, None]


def sample_toy(nfe: int, revise: bool, count: int = 60_000) -> tuple[Toy, torch.Tensor]:
    toy = Toy()
    noise = torch.rand(count, nfe, 2, 1, 3, generator=torch.Generator().manual_seed(11))
    codes = Sampler(MixturePath(mask=3), revise=revise)(toy, noise)
    assert codes.max() < 3
    index = (codes[:, 0] * torch.tensor([9, 3, 1])).sum(-1)
    return toy, torch.bincount(index, minlength=27) / count


@pytest.mark.parametrize("revise", [False, True])
def test_sampler_reaches_the_exact_joint_distribution(revise):
    toy, shares = sample_toy(128, revise)
    exact = toy.joint.flatten()
    # 60 000 draws from 27 outcomes: sampling alone gives a total variation of about 0.008; the product of the
    # marginals, which a sampler that ignores the dependence would give, is 0.3 away.
    marginals = [toy.joint.sum([a for a in range(3) if a != axis]) for axis in range(3)]
    product = torch.einsum("i,j,k->ijk", *marginals).flatten()
    assert (shares - exact).abs().sum() / 2 < 0.02
    assert (product - exact).abs().sum() / 2 > 0.2


def test_one_step_gives_the_product_of_marginals():
    toy, shares = sample_toy(1, False)
    marginals = [toy.joint.sum([a for a in range(3) if a != axis]) for axis in range(3)]
    product = torch.einsum("i,j,k->ijk", *marginals).flatten()
    assert (shares - product).abs().sum() / 2 < 0.015


@pytest.mark.parametrize("nfe", [1, 2, 3, 7, 10, 32, 128])
def test_no_mask_is_left_and_the_schedule_is_followed(nfe):
    seen = []

    def denoise(xt, t):
        seen.append((float(t[0]), float((xt == 4).float().mean())))
        return torch.zeros(*xt.shape, 4)

    codes = Sampler(MixturePath(mask=4))(denoise, torch.rand(1, nfe, 2, 1, 20_000))
    assert codes.max() < 4 and len(seen) == nfe
    for t, masked in seen:
        assert masked == pytest.approx(1 - t * t, abs=0.015)


def test_temperature_sharpens():
    logits = torch.tensor([1.0, 0.0]).expand(1, 1, 50_000, 2)
    noise = torch.rand(1, 2, 2, 1, 50_000)
    codes = Sampler(MixturePath(mask=2), temperature=0.5)(lambda x, t: logits, noise)
    assert (codes == 0).float().mean().item() == pytest.approx(torch.sigmoid(torch.tensor(2.0)).item(), abs=0.01)
