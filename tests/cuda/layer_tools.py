"""Programs for `tests.cuda.layers`: distributions, sparse tensors, namespaces, files, utilities."""

from __future__ import annotations

import copy
import io
import pickle
import tempfile
from pathlib import Path
from typing import Any

import flambeau as torch
from flambeau import distributions as D  # noqa: N812
from flambeau import nn
from tests.cuda.layers import Maker, programs

# --- distributions --------------------------------------------------------------------------------------

DISTRIBUTIONS = """
Bernoulli(p(3)) | torch.tensor([1.0, 0.0, 1.0])
Bernoulli(logits=f(3)) | torch.ones(3)
Beta(p(3), p(3)) | torch.full((3,), 0.3)
Binomial(6, p(3)) | torch.full((3,), 2.0)
Binomial(t([6.0, 7.0, 3.0], "float32"), p(3)) | torch.full((3,), 2.0)
Categorical(p(2, 3)) | torch.tensor([2, 0])
Categorical(logits=f(2, 3)) | torch.tensor([2, 0])
Cauchy(f(3), p(3)) | torch.ones(3)
Chi2(p(3)) | torch.ones(3)
ContinuousBernoulli(p(3)) | torch.full((3,), 0.3)
Dirichlet(p(2, 3)) | torch.full((2, 3), 1 / 3)
Exponential(p(3)) | torch.ones(3)
FisherSnedecor(p(3), p(3)) | torch.ones(3)
Gamma(p(3), p(3)) | torch.ones(3)
GeneralizedPareto(f(3), p(3), p(3)) | torch.full((3,), 9.0)
Geometric(p(3)) | torch.ones(3)
Gumbel(f(3), p(3)) | torch.ones(3)
HalfCauchy(p(3)) | torch.ones(3)
HalfNormal(p(3)) | torch.ones(3)
Independent(Normal(f(3), p(3)), 1) | torch.ones(3)
InverseGamma(p(3), p(3)) | torch.ones(3)
Kumaraswamy(p(3), p(3)) | torch.full((3,), 0.3)
LKJCholesky(3, p(2)) | torch.eye(3).expand(2, 3, 3)
Laplace(f(3), p(3)) | torch.ones(3)
LogNormal(f(3), p(3)) | torch.ones(3)
LogisticNormal(f(2), p(2)) | torch.full((3,), 1 / 3)
LowRankMultivariateNormal(f(3), f(3, 1), p(3)) | torch.ones(3)
MixtureSameFamily(Categorical(p(2)), Normal(f(2), p(2))) | torch.ones(())
Multinomial(4, p(3)) | torch.tensor([1.0, 2.0, 1.0])
MultivariateNormal(f(2), covariance_matrix=t([[2.0, 0.5], [0.5, 1.0]], "float32")) | torch.ones(2)
MultivariateNormal(f(2), precision_matrix=t([[2.0, 0.5], [0.5, 1.0]], "float32")) | torch.ones(2)
NegativeBinomial(p(3), p(3)) | torch.ones(3)
Normal(f(3), p(3)) | torch.ones(3)
Normal(f(3), 1.0) | torch.ones(3)
OneHotCategorical(p(3)) | torch.tensor([0.0, 1.0, 0.0])
OneHotCategoricalStraightThrough(p(3)) | torch.tensor([0.0, 1.0, 0.0])
Pareto(p(3), p(3)) | torch.full((3,), 2.0)
Poisson(p(3)) | torch.ones(3)
RelaxedBernoulli(p(()), p(3)) | torch.full((3,), 0.3)
RelaxedOneHotCategorical(p(()), p(3)) | torch.full((3,), 1 / 3)
StudentT(p(3), f(3), p(3)) | torch.ones(3)
TransformedDistribution(Normal(f(3), p(3)), [TanhTransform(), AffineTransform(f(3), 2.0)]) | f(3, grad=False) * 0
TransformedDistribution(Normal(f(3), p(3)), [SigmoidTransform()]) | torch.full((3,), 0.3)
Uniform(f(3), 9.0) | torch.full((3,), 7.0)
VonMises(f(3), p(3)) | torch.ones(3)
Weibull(p(3), p(3)) | torch.ones(3)
Wishart(t(4.0, "float32"), t([[2.0, 0.5], [0.5, 1.0]], "float32")) | torch.eye(2)
""".strip().splitlines()
"""Distributions and a value of each."""


def _distribution(case: str) -> Any:
    def program(m: Maker) -> Any:
        names = {name: getattr(D, name) for name in D.__all__}
        made, value = case.split(" | ")
        flat = lambda *s, **k: m.p(*(() if s == ((),) else s), **k)  # noqa: E731
        names |= {"torch": torch, "f": m.f, "p": flat, "t": m.t}
        torch.manual_seed(0)
        found: Any = eval(made, names)
        at = eval(value, names).to(m.device)
        results = {"log_prob": found.log_prob(at)}
        for name in ("mean", "variance", "stddev", "mode"):
            try:
                results[name] = getattr(found, name)
            except (NotImplementedError, AttributeError):
                pass
        for name in ("entropy", "cdf", "enumerate_support", "perplexity"):
            try:
                results[name] = getattr(found, name)(*([at] if name == "cdf" else []))
            except (NotImplementedError, AttributeError):
                pass
        results["expanded"] = found.expand((2, *found.batch_shape)).log_prob(at)
        for sample in (found.sample((2,)), *([found.rsample()] if found.has_rsample else [])):
            assert sample.device.type == m.device.type, sample.device
            assert found.support.check(sample).device.type == m.device.type
            if sample.requires_grad:
                sample.sum().backward(retain_graph=True)
        for each in m.made:
            each.grad = None
        return {"density": results.pop("log_prob"), "rest": {k: v.detach() for k, v in results.items()}}

    program.__name__ = case.split(" | ")[0]
    return program


for _case in DISTRIBUTIONS:
    programs(of="distribution")(_distribution(_case))


@programs(of="distribution")
def divergences(m: Maker) -> Any:
    a, b = D.Normal(m.f(3), m.p(3)), D.Normal(m.f(3), m.p(3))
    pairs = [
        (a, b), (D.Bernoulli(m.p(3)), D.Bernoulli(m.p(3))), (D.Gamma(m.p(3), m.p(3)), D.Gamma(m.p(3), m.p(3))),
        (D.Categorical(m.p(3)), D.Categorical(m.p(3))), (D.Dirichlet(m.p(3)), D.Dirichlet(m.p(3))),
        (D.Beta(m.p(3), m.p(3)), D.Beta(m.p(3), m.p(3))), (D.Exponential(m.p(3)), D.Gumbel(m.f(3), m.p(3))),
        (D.Uniform(m.p(3) - 2, m.p(3) + 2), a), (D.Poisson(m.p(3)), D.Poisson(m.p(3))),
        (D.Laplace(m.f(3), m.p(3)), D.Laplace(m.f(3), m.p(3))),
        (D.MultivariateNormal(m.f(2), torch.eye(2, device=m.device)),
         D.MultivariateNormal(m.f(2), 2 * torch.eye(2, device=m.device))),
    ]  # fmt: skip
    return [D.kl_divergence(p, q) for p, q in pairs]


@programs(of="distribution")
def constraints_and_transforms(m: Maker) -> Any:
    found = []
    c = D.constraints
    for each in (c.positive, c.unit_interval, c.simplex, c.lower_cholesky, c.corr_cholesky, c.interval(m.p(3), 4.0),
                 c.greater_than(m.f(3)), c.positive_definite):  # fmt: skip
        matrix = each is c.lower_cholesky or each is c.positive_definite
        t = (D.transform_to if matrix or each is c.simplex else D.biject_to)(each)
        size = (3, 3) if matrix else (3,)
        x = m.f(*size)
        y = t(x)
        found += [y, each.check(y)]
        if not matrix and each is not c.simplex and each is not c.corr_cholesky:
            found.append(t.log_abs_det_jacobian(x, y))
    cat = D.transforms.StackTransform([D.ExpTransform(), D.AffineTransform(1.0, 2.0)])
    cdf = D.transforms.CumulativeDistributionTransform(D.Normal(m.f(3), m.p(3)))
    return found, cat(m.f(2, 2)), cdf(m.f(3)), D.transforms.StickBreakingTransform()(m.f(3))


# --- namespaces -----------------------------------------------------------------------------------------


@programs(of="sparse")
def coo(m: Maker) -> Any:
    i = m.t([[0, 1, 1, 2, 1], [2, 0, 2, 2, 0]])
    v = m.f(5)
    x = torch.sparse_coo_tensor(i, v, (3, 3))
    assert x.device.type == m.device.type and x.is_cuda == (m.device.type == "cuda")
    summed = x.coalesce()
    dense = m.f(3, 3)
    results = [summed.indices(), summed.values(), x.to_dense(), torch.sparse.mm(x, dense), x @ dense,
               torch.sparse.sum(x), torch.sparse.sum(x, 0).to_dense(), (x * 2).to_dense(), (x + x).to_dense(),
               x.t().to_dense(), torch.sparse.softmax(x, 1).to_dense(), dense.detach().to_sparse().to_dense(),
               torch.sparse.addmm(dense, x, dense), (x * x).to_dense()]  # fmt: skip
    assert x.detach().cpu().device.type == "cpu" and x.to(m.device).device.type == m.device.type
    assert ("cuda" in repr(x)) == (m.device.type == "cuda")
    there = torch.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (2,), device=m.device)
    return results, there.to_dense(), copy.deepcopy(x.detach()).to_dense()


@programs(of="masked")
def masked(m: Maker) -> Any:
    from flambeau import masked as k

    x, mask = m.f(3, 4), m.t([[True, False, True, True]] * 2 + [[False] * 3 + [True]])
    names = "sum prod amax amin mean norm var std logsumexp softmax log_softmax softmin normalize cumsum cumprod argmax median"
    found = []
    for name in names.split():
        args = (2.0, 1) if name in ("norm", "normalize") else (1,)
        found.append(getattr(k, name)(x, *args, mask=mask))
    return found


@programs(of="fft")
def transforms(m: Maker) -> Any:
    from flambeau import fft

    x = m.f(3, 6)
    z = fft.fft(x)
    windows = [torch.hann_window(4, device=m.device), torch.signal.windows.gaussian(4, std=1.0, device=m.device)]
    wave = torch.stft(x.flatten(), 6, window=torch.hann_window(6, device=m.device), return_complex=True)
    back = torch.istft(wave, 6, window=torch.hann_window(6, device=m.device), length=18)
    return [z, fft.ifft(z).real, fft.rfft2(x), fft.irfft(fft.rfft(x), 6), fft.fftshift(x), fft.hfft(z, 4),
            fft.fftfreq(5, device=m.device), fft.rfftfreq(5, device=m.device), *windows, wave, back]  # fmt: skip


@programs(of="linalg")
def decompositions(m: Maker) -> Any:
    L = torch.linalg  # noqa: N806
    x = m.f(3, 3, dtype="float64")
    a = x @ x.mT + 3 * torch.eye(3, device=m.device, dtype=x.dtype)
    b = m.f(3, 2, dtype="float64")
    q, r = L.qr(x)
    u, s, vh = L.svd(m.f(4, 3, dtype="float64"), full_matrices=False)
    return [L.inv(a), L.solve(a, b), L.cholesky(a), L.det(a), L.slogdet(a), q @ r, s, L.eigvalsh(a), L.eigh(a)[0],
            L.lstsq(m.f(4, 3, dtype="float64"), m.f(4, 2, dtype="float64"))[0], L.pinv(m.f(4, 3, dtype="float64")),
            L.matrix_exp(x), L.matrix_power(x, 3), L.norm(x), L.vector_norm(x, 3), L.matrix_norm(x, "nuc"),
            L.multi_dot([a, x, b]), L.solve_triangular(a.tril(), b, upper=False), L.lu_factor(a)[0], L.cond(a),
            L.matrix_rank(a), L.cross(x[:2], x[1:]), L.vander(x[0]), torch.cholesky_inverse(L.cholesky(a)),
            L.eigvals(a).abs().sort()[0],
            torch.pca_lowrank(a, 2)[1].detach().shape]  # fmt: skip


@programs(of="special")
def special(m: Maker) -> Any:
    S, p = torch.special, m.p(3, dtype="float64")  # noqa: N806
    names = "entr erfcx gammaln digamma i0 i0e i1 i1e ndtri ndtr log_ndtr bessel_j0 bessel_j1 expit logit sinc erfinv exp2"
    found = [getattr(S, name)(p) for name in names.split()]
    other = p.detach() + 1
    return found, S.zeta(other, p.detach()), S.xlogy(p, other), S.polygamma(1, p), S.gammainc(other, p.detach())


@programs(of="torch")
def unlisted_functions(m: Maker) -> Any:
    x, y = m.f(3, 4), m.f(4, 4)
    i = m.i(4, 6)
    return [
        torch.einsum("ij,jk->ik", x, y), torch.cdist(x, x[:2]), torch.cartesian_prod(i[:2], i[:3]),
        torch.combinations(i, 2), torch.block_diag(x, y), torch.meshgrid(i, i[:2], indexing="ij"), torch.tril_indices(3, 3, device=m.device),
        torch.unique(i, return_counts=True), torch.bincount(i, minlength=4), torch.histc(x, 4), torch.bucketize(x, m.t([-1.0, 0.0, 1.0], "float32")),
        torch.nonzero(i > 1), torch.where(i > 1), torch.masked_select(x, x > 0), torch.topk(x, 2), torch.sort(x), torch.cov(x), torch.corrcoef(x),
        torch.cumulative_trapezoid(x), torch.diff(x), torch.gradient(x), torch.nanquantile(x, 0.3), torch.quantile(x, m.t([0.1, 0.5], "float32"), 1),
        torch.repeat_interleave(x, m.t([1, 0, 2]), 0), torch.searchsorted(x.detach().sort()[0], x.detach()), torch.tensordot(x, y, 1),
        torch.isin(i, m.t([1, 2])), torch.vander(x[0]), torch.trapezoid(x), torch.rot90(x), torch.kthvalue(x, 2), torch.median(x, 1), torch.mode(i),
        torch.block_diag(x[0]), torch.atleast_3d(x), torch.broadcast_tensors(x, x[0]), torch.normal(x * 0, 0.0), torch.poisson(x.detach().abs() * 0),
    ]  # fmt: skip


@programs(of="torch")
def drawn_on_the_device(m: Maker) -> Any:
    x = m.f(3, 4)
    g = torch.Generator(m.device).manual_seed(3)
    drawn = [torch.rand_like(x), torch.multinomial(x.detach().softmax(1), 2, True), torch.bernoulli(x.detach().sigmoid()),
             torch.randint_like(x, 5), torch.normal(x.detach(), 1.0), torch.empty_like(x).uniform_(generator=g),
             torch.randperm(5, device=m.device, generator=g), torch.rand(2, device=m.device, generator=g),
             x.detach().clone().exponential_(), x.detach().clone().geometric_(0.5), torch.poisson(x.detach().abs())]  # fmt: skip
    assert all(t.device.type == m.device.type for t in drawn)
    g.manual_seed(3)
    again = torch.empty_like(x).uniform_(generator=g)
    assert torch.equal(again, drawn[5])
    return [t.shape for t in drawn]


# --- files ----------------------------------------------------------------------------------------------


@programs(of="files")
def checkpoints(m: Maker) -> Any:
    net = m.module(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))
    optimizer = torch.optim.Adam(net.parameters())
    net(m.f(4, 2)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "rng": torch.get_rng_state().tolist()[:4]}
    found = []
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        file = io.BytesIO()
        torch.save(state, file, **options)
        for where in (None, "cpu", m.device, {"cuda:0": "cpu"}):
            file.seek(0)
            again = torch.load(file, map_location=where, weights_only=True)
            there = again["net"]["0.weight"].device.type
            assert there == ("cpu" if where == "cpu" or isinstance(where, dict) else m.device.type)
            net.load_state_dict(again["net"])
            optimizer.load_state_dict(again["optimizer"])
            assert optimizer.state[net[0].weight]["exp_avg"].device.type == m.device.type
            found.append([t.to(m.device) for t in again["net"].values()])
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    assert next(torch.load(file, weights_only=False).parameters()).device.type == m.device.type
    return found


@programs(of="files")
def safetensors(m: Maker) -> Any:
    from flambeau.serialization import safe_tensors

    state = {"a": m.f(2, 3), "b": m.f(4)[1:], "c": m.i(5, 3)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.safetensors")
        safe_tensors.save_file(state, path)
        here, there = safe_tensors.load_file(path), safe_tensors.load_file(path, device=str(m.device))
        whole = torch.load(path, map_location=m.device)
    assert all(not t.is_cuda for t in here.values())
    return there, whole, safe_tensors.load(safe_tensors.save(state))["a"].to(m.device)


@programs(of="files")
def pickles(m: Maker) -> Any:
    x = {"p": nn.Parameter(m.f(2, 2).detach()), "x": m.f(3), "net": m.module(nn.Linear(2, 2))}
    y = pickle.loads(pickle.dumps(x))
    return [y["p"].detach(), y["x"].detach(), *[p.detach() for p in y["net"].parameters()]]


@programs(of="files")
def resumable(m: Maker) -> Any:
    from flambeau.utils.resume import Resumable

    data = torch.utils.data.TensorDataset(torch.arange(12.0).reshape(6, 2), torch.arange(6.0))
    before = torch.are_deterministic_algorithms_enabled()

    def run(folder: str, stop: int) -> Any:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.0), nn.Linear(3, 1)).to(m.device)
        optimizer = torch.optim.Adam(net.parameters(), 0.01)
        loader = torch.utils.data.DataLoader(data, 2, shuffle=True)
        state = Resumable(Path(folder, "run.pt"), model=net, optimizer=optimizer, loader=loader)
        state.resume()
        for epoch in state.epochs(2):
            for x, y in loader:
                x, y = x.to(m.device), y.to(m.device)
                optimizer.zero_grad()
                (net(x)[:, 0] - y).square().mean().backward()
                optimizer.step()
            state.save()
            if epoch + 1 == stop:
                break
        return [p.detach() for p in net.parameters()]

    try:
        with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
            whole = run(a, 2)
            run(b, 1)
            again = run(b, 2)
            assert all(torch.equal(x, y) for x, y in zip(whole, again, strict=True))
            return whole
    finally:
        torch.use_deterministic_algorithms(before)


@programs(of="files")
def tensorboard(m: Maker) -> Any:
    from flambeau.utils.tensorboard import SummaryWriter

    with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        x = m.f(3, 8, 8).detach()
        writer.add_scalar("loss", x.mean(), 1)
        writer.add_scalars("both", {"a": x.mean(), "b": x.std()}, 1)
        writer.add_histogram("weights", x, 1)
        writer.add_image("image", x.sigmoid(), 1)
        writer.add_images("images", x.sigmoid()[None], 1)
        writer.add_text("text", "x")
        writer.add_pr_curve("curve", m.t([1, 0, 1]), m.p(3).detach())
        writer.add_embedding(m.f(3, 4).detach(), label_img=x.sigmoid()[None].expand(3, 3, 8, 8))
        writer.add_graph(m.module(nn.Linear(8, 2)), x)
        writer.add_hparams({"lr": 0.1}, {"loss": x.mean()})
        writer.flush()
        assert list(Path(folder).glob("*"))
    return x


# --- utilities ------------------------------------------------------------------------------------------


@programs(of="utils")
def loaders(m: Maker) -> Any:
    data = torch.utils.data.TensorDataset(torch.arange(12.0).reshape(6, 2), torch.arange(6))
    pin = m.device.type == "cuda"
    found: list[Any] = []
    for workers in (0, 1):
        loader = torch.utils.data.DataLoader(data, 4, pin_memory=pin, num_workers=workers)
        for x, y in loader:
            assert x.is_pinned() == pin and y.is_pinned() == pin
            found.append((x.to(m.device, non_blocking=True), y.to(m.device, non_blocking=True)))
    there = torch.utils.data.TensorDataset(m.f(6, 2, grad=False))
    for (x,) in torch.utils.data.DataLoader(there, 4, shuffle=False):
        found.append((x,))
    kept = torch.utils.data.default_collate([{"a": m.f(2, grad=False), "b": 1} for _ in range(2)])
    return found, kept["a"], torch.utils.data.random_split(there, [4, 2])[0][0]


@programs(of="utils")
def asserting(m: Maker) -> Any:
    close = torch.testing.assert_close
    x = m.f(3, grad=False)
    close(x, x.clone())
    assert torch.allclose(x, x.clone()) and torch.equal(x, x.clone())
    close({"a": [x, 1.0]}, {"a": [x + 1e-7, 1.0]})
    said = []
    for other, options in ((x + 1, {}), (x.cpu().double(), {}), (x.cpu(), {}), (x.cpu(), {"check_device": False})):
        try:
            close(x, other, **options)
            said.append("fine")
        except AssertionError as error:
            said.append("different")
            assert "cuda" in str(error) or "close" in str(error) or "dtype" in str(error)
    assert said == ["different", "different", "different" if m.device.type == "cuda" else "fine", "fine"]
    return torch.testing.make_tensor(2, 3, dtype=torch.float32, device=m.device, low=1, high=1.0001).round()


@programs(of="utils")
def streams(m: Maker) -> Any:
    x = m.f(3, grad=False)
    if m.device.type == "cuda":
        side, event = torch.Stream(device=m.device), torch.Event(m.device)
        assert isinstance(side, torch.cuda.Stream) and isinstance(event, torch.cuda.Event)
        assert isinstance(side, torch.Stream) and isinstance(event, torch.Event)
        side.wait_stream(torch.accelerator.current_stream())
        with side:
            y = x * 2
            side.record_event(event)
        event.synchronize()
        torch.accelerator.current_stream().wait_event(event)
        return y
    return x * 2


@programs(of="utils")
def numbers_and_printing(m: Maker) -> Any:
    x = m.t([[1.5, -2.0], [0.0, 3.25]], "float32")
    text = repr(x).replace(", device='cuda:0'", "")
    assert f"{x[0, 0]:.2f}" == "1.50" and int(x[1, 1]) == 3 and len(x) == 2 and bool(x[0, 0])
    return text, x.tolist(), [float(v) for v in x[0]], str(x.sum().item()), (x > 0).any().item()


@programs(of="utils")
def counted_and_tracked(m: Maker) -> Any:
    from flambeau.utils.flop_counter import FlopCounterMode

    net = m.module(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3)))
    with FlopCounterMode(display=False) as counter:
        y = net(m.f(2, 1, 4, 4))
    return y, counter.get_total_flops()


@programs(of="utils")
def traced(m: Maker) -> Any:
    net = m.module(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))
    x = m.f(2, 3)
    graph = torch.fx.symbolic_trace(net)
    compiled = torch.compile(net)
    return graph(x), compiled(x), torch.jit.trace(net, x)(x)
