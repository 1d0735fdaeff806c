"""Programs that learn with distributions, for `T` being flambeau or PyTorch: each gives its losses."""

from __future__ import annotations

from typing import Any

Losses = list[float]


def autoencoder(T: Any, steps: int = 12) -> Losses:  # noqa: N803
    """A variational autoencoder (Kingma and Welling, 2014) with `kl_divergence`."""
    nn, D = T.nn, T.distributions  # noqa: N806
    T.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 6))
    decoder = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 12))
    optimizer = T.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-2)
    data = (T.rand(32, 1) < T.linspace(0, 1, 12)).float()
    losses = []
    for _ in range(steps):
        loc, raw = encoder(data).chunk(2, -1)
        posterior = D.Normal(loc, nn.functional.softplus(raw) + 1e-3)
        prior = D.Normal(T.zeros_like(loc), T.ones_like(loc))
        likelihood = D.Independent(D.Bernoulli(logits=decoder(posterior.rsample())), 1)
        divergence = D.kl_divergence(posterior, prior).sum(-1)
        loss = (divergence - likelihood.log_prob(data)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def policy_gradient(T: Any, steps: int = 25) -> Losses:  # noqa: N803
    """REINFORCE (Williams, 1992) for a bandit whose best arm is shown in the state."""
    nn, D = T.nn, T.distributions  # noqa: N806
    T.manual_seed(0)
    policy = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = T.optim.Adam(policy.parameters(), lr=2e-2)
    losses = []
    for _ in range(steps):
        state = T.eye(4)[T.randint(4, (32,))]
        chosen = D.Categorical(logits=policy(state))
        action = chosen.sample()
        reward = (action == state.argmax(-1)).float()
        advantage = reward - reward.mean()
        loss = -(chosen.log_prob(action) * advantage).mean() - 0.01 * chosen.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(1 - reward.mean().item())
    return losses


def gaussian_fit(T: Any, steps: int = 20) -> Losses:  # noqa: N803
    """The likelihood of a MultivariateNormal, climbed through `transform_to`."""
    D = T.distributions  # noqa: N806
    T.manual_seed(0)
    truth = D.MultivariateNormal(T.tensor([1.0, -1.0]), T.tensor([[2.0, 0.8], [0.8, 1.0]]))
    data = truth.sample((64,))
    loc = T.zeros(2, requires_grad=True)
    raw = T.zeros(2, 2, requires_grad=True)
    optimizer = T.optim.Adam([loc, raw], lr=0.1)
    lower = D.transform_to(D.MultivariateNormal.arg_constraints["scale_tril"])
    losses = []
    for _ in range(steps):
        loss = -D.MultivariateNormal(loc, scale_tril=lower(raw)).log_prob(data).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def soft_actor(T: Any, steps: int = 15) -> Losses:  # noqa: N803
    """The policy step of soft actor-critic (Haarnoja et al., 2018): a normal number through tanh."""
    nn, D = T.nn, T.distributions  # noqa: N806
    T.manual_seed(0)
    policy = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = T.optim.Adam(policy.parameters(), lr=1e-2)
    losses = []
    for _ in range(steps):
        state = T.randn(32, 3)
        loc, log_scale = policy(state).chunk(2, -1)
        base = D.Normal(loc, log_scale.clamp(-5, 2).exp())
        squashed = D.TransformedDistribution(base, [D.TanhTransform(cache_size=1)])
        action = D.Independent(squashed, 1)
        drawn = action.rsample()
        value = -((drawn - 0.5 * T.tanh(state[:, :2])) ** 2).sum(-1)
        loss = (0.05 * action.log_prob(drawn) - value).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def gamma_posterior(T: Any, steps: int = 20) -> Losses:  # noqa: N803
    """Variational inference of a Poisson rate: the posterior is a Gamma, by implicit gradients."""
    D = T.distributions  # noqa: N806
    T.manual_seed(0)
    data = D.Poisson(4.0).sample((20,))
    prior = D.Gamma(1.0, 1.0)
    raw = T.zeros(2, requires_grad=True)
    optimizer = T.optim.Adam([raw], lr=0.2)
    losses = []
    for _ in range(steps):
        posterior = D.Gamma(raw[0].exp(), raw[1].exp())
        rate = posterior.rsample((16,))
        likelihood = D.Poisson(rate.unsqueeze(-1)).log_prob(data).sum(-1).mean()
        loss = D.kl_divergence(posterior, prior) - likelihood
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


PROGRAMS = {
    "autoencoder": (autoencoder, 0.95), "policy_gradient": (policy_gradient, 0.8),
    "gaussian_fit": (gaussian_fit, 0.9), "soft_actor": (soft_actor, 0.8),
    "gamma_posterior": (gamma_posterior, 0.8),
}  # fmt: skip
"""Each with the part of its first loss that the last one is below."""
