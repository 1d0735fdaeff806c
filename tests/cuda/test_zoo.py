"""A small part of `tools.cuda_zoo`: training steps are planned for GPUs, and their kernels assembled."""

from __future__ import annotations

import pytest

from flambeau.codegen.cuda.kernel import Gpu
from tools.cuda_zoo import NETWORKS, assembled, kernels_of, recorded, survey

from .assembling import needs_ptxas


@pytest.mark.parametrize("name", ["cnn", "mlp", "gpt", "volumes"])
def test_steps_are_planned_whole(name: str) -> None:
    programs = recorded(name)
    for capability in (75, 90):
        found = kernels_of(programs, Gpu(capability))
        assert found.launches and found.calls == 0
    assert any(x.times for x in programs)


def test_unfused_steps_have_more_launches() -> None:
    programs = recorded("mlp")
    assert kernels_of(programs, Gpu(), fusing=False).launches > kernels_of(programs, Gpu()).launches


@needs_ptxas
@pytest.mark.parametrize("arch", [75, 90])
def test_kernels_assemble(arch: int) -> None:
    *rows, whole = survey({"Adam": recorded("Adam")}, arch, jobs=2)
    assert whole.failures == [] and rows[0].name == "Adam"
    assert whole.kernels == rows[0].kernels > 0 and 0 < whole.registers < 256


@needs_ptxas
def test_a_kernel_that_does_not_assemble_is_told() -> None:
    kernel = next(iter(kernels_of(recorded("SGD"), Gpu(80)).kernels.values()))
    with pytest.raises(Exception, match="ptxas|error|expected"):
        assembled(kernel._replace(emit=lambda target, symbol: "this is no IR"), 80)


def test_every_optimizer_and_family_is_there() -> None:
    from flambeau import optim

    names = {name.split()[0] for name in NETWORKS}
    left_out = {"Optimizer", "LBFGS", "SparseAdam", "Muon"}
    kinds = {n for n, x in vars(optim).items() if isinstance(x, type) and issubclass(x, optim.Optimizer)}
    assert kinds - left_out <= names
