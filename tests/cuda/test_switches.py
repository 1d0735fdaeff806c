"""Switches of CUDA's libraries: what they say of each other, and that planning hears of a change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import flambeau
from flambeau import config
from flambeau.frontend import precision
from flambeau.graph import trace
from tools.gpu import simulated

torch: Any = flambeau
b: Any = flambeau.backends


@pytest.fixture(autouse=True)
def as_at_first() -> Iterator[None]:
    names = [n for n in vars(config) if n.startswith(("cuda_", "cudnn_")) and n != "cuda_generation"]
    switches = {n: getattr(config, n) for n in names if isinstance(getattr(config, n), bool)}
    before = precision.state()
    yield
    precision.restore(before)
    config.set_cuda(**switches)


def said() -> str:
    """What all switches of precision say, E for an error."""
    asked = {
        "gen": lambda: b.fp32_precision, "mm": lambda: b.cuda.matmul.fp32_precision,
        "tf32": lambda: b.cuda.matmul.allow_tf32, "all": lambda: b.cudnn.fp32_precision,
        "conv": lambda: b.cudnn.conv.fp32_precision, "rnn": lambda: b.cudnn.rnn.fp32_precision,
        "cudnn": lambda: b.cudnn.allow_tf32, "get": torch.get_float32_matmul_precision,
    }  # fmt: skip
    found = []
    for name, ask in asked.items():
        try:
            found.append(f"{name}={ask()}")
        except RuntimeError:
            found.append(f"{name}=E")
    return " ".join(found)


# What PyTorch 2.13 says after each.
SAID = """
pass | gen=none mm=none tf32=False all=none conv=tf32 rnn=tf32 cudnn=True get=highest
b.cuda.matmul.allow_tf32=True | gen=none mm=tf32 tf32=True all=none conv=tf32 rnn=tf32 cudnn=True get=high
b.cuda.matmul.allow_tf32=False | gen=none mm=ieee tf32=False all=none conv=tf32 rnn=tf32 cudnn=True get=highest
b.cudnn.allow_tf32=False | gen=none mm=none tf32=False all=none conv=none rnn=none cudnn=False get=highest
torch.set_float32_matmul_precision('high') | gen=none mm=tf32 tf32=True all=none conv=tf32 rnn=tf32 cudnn=True get=high
torch.set_float32_matmul_precision('medium') | gen=none mm=tf32 tf32=True all=none conv=tf32 rnn=tf32 cudnn=True get=medium
torch.set_float32_matmul_precision('high'); torch.set_float32_matmul_precision('highest') | gen=none mm=ieee tf32=False all=none conv=tf32 rnn=tf32 cudnn=True get=highest
torch.set_float32_matmul_precision('highest'); b.fp32_precision='tf32' | gen=tf32 mm=ieee tf32=False all=tf32 conv=tf32 rnn=tf32 cudnn=True get=highest
torch.set_float32_matmul_precision('medium'); b.cuda.matmul.allow_tf32=True | gen=none mm=tf32 tf32=True all=none conv=tf32 rnn=tf32 cudnn=True get=E
torch.set_float32_matmul_precision('medium'); b.cuda.matmul.allow_tf32=False | gen=none mm=ieee tf32=False all=none conv=tf32 rnn=tf32 cudnn=True get=E
b.fp32_precision='tf32' | gen=tf32 mm=tf32 tf32=E all=tf32 conv=tf32 rnn=tf32 cudnn=True get=E
b.fp32_precision='ieee' | gen=ieee mm=ieee tf32=False all=ieee conv=ieee rnn=ieee cudnn=E get=highest
b.fp32_precision='bf16' | gen=bf16 mm=none tf32=False all=none conv=none rnn=none cudnn=E get=E
b.fp32_precision='ieee'; b.fp32_precision='none' | gen=none mm=none tf32=False all=none conv=tf32 rnn=tf32 cudnn=True get=highest
b.fp32_precision='ieee'; b.cudnn.fp32_precision='tf32' | gen=ieee mm=tf32 tf32=E all=tf32 conv=tf32 rnn=tf32 cudnn=True get=E
b.fp32_precision='tf32'; b.cuda.matmul.allow_tf32=False | gen=tf32 mm=ieee tf32=False all=tf32 conv=tf32 rnn=tf32 cudnn=True get=E
b.fp32_precision='tf32'; b.cuda.matmul.allow_tf32=True | gen=tf32 mm=tf32 tf32=True all=tf32 conv=tf32 rnn=tf32 cudnn=True get=high
b.fp32_precision='tf32'; b.cudnn.conv.fp32_precision='ieee'; b.cudnn.fp32_precision='tf32' | gen=tf32 mm=tf32 tf32=E all=tf32 conv=ieee rnn=tf32 cudnn=E get=E
b.cudnn.fp32_precision='ieee' | gen=none mm=ieee tf32=False all=ieee conv=ieee rnn=ieee cudnn=E get=highest
b.cudnn.fp32_precision='ieee'; b.cudnn.fp32_precision='none' | gen=none mm=none tf32=False all=none conv=tf32 rnn=tf32 cudnn=True get=highest
b.cudnn.fp32_precision='tf32'; b.fp32_precision='ieee' | gen=ieee mm=tf32 tf32=E all=tf32 conv=tf32 rnn=tf32 cudnn=True get=E
b.cudnn.conv.fp32_precision='ieee' | gen=none mm=none tf32=False all=none conv=ieee rnn=tf32 cudnn=E get=highest
b.cudnn.rnn.fp32_precision='ieee' | gen=none mm=none tf32=False all=none conv=tf32 rnn=ieee cudnn=E get=highest
b.cudnn.conv.fp32_precision='none' | gen=none mm=none tf32=False all=none conv=none rnn=tf32 cudnn=E get=highest
b.cudnn.conv.fp32_precision='none'; b.cudnn.fp32_precision='ieee' | gen=none mm=ieee tf32=False all=ieee conv=ieee rnn=ieee cudnn=E get=highest
b.cudnn.conv.fp32_precision='tf32'; b.cudnn.fp32_precision='ieee' | gen=none mm=ieee tf32=False all=ieee conv=tf32 rnn=ieee cudnn=E get=highest
b.cudnn.conv.fp32_precision='ieee'; b.cudnn.allow_tf32=True | gen=none mm=none tf32=False all=none conv=tf32 rnn=tf32 cudnn=True get=highest
b.cudnn.allow_tf32=True; b.cudnn.fp32_precision='ieee' | gen=none mm=ieee tf32=False all=ieee conv=tf32 rnn=tf32 cudnn=True get=highest
b.cudnn.allow_tf32=False; b.cudnn.fp32_precision='tf32' | gen=none mm=tf32 tf32=E all=tf32 conv=tf32 rnn=tf32 cudnn=E get=E
b.cudnn.allow_tf32=False; b.cudnn.allow_tf32=True | gen=none mm=none tf32=False all=none conv=tf32 rnn=tf32 cudnn=True get=highest
b.cuda.matmul.fp32_precision='tf32' | gen=none mm=tf32 tf32=E all=none conv=tf32 rnn=tf32 cudnn=True get=E
b.cuda.matmul.fp32_precision='ieee' | gen=none mm=ieee tf32=False all=none conv=tf32 rnn=tf32 cudnn=True get=highest
b.cuda.matmul.fp32_precision='tf32'; torch.set_float32_matmul_precision('highest') | gen=none mm=ieee tf32=False all=none conv=tf32 rnn=tf32 cudnn=True get=highest
b.cuda.matmul.allow_tf32=True; b.cudnn.fp32_precision='ieee' | gen=none mm=tf32 tf32=True all=ieee conv=ieee rnn=ieee cudnn=E get=high
"""


@pytest.mark.parametrize("case", SAID.strip().splitlines())
def test_precisions_are_coupled_as_in_pytorch(case: str) -> None:
    statements, expected = case.split(" | ")
    exec(statements, {"b": b, "torch": torch})
    assert said() == expected
    assert config.cuda_matmul_tf32 == ("mm=tf32" in expected)
    assert config.cuda_conv_tf32 == ("conv=tf32" in expected)


def test_wrong_values() -> None:
    for place, value, kind, text in (
        (b.cuda.matmul, "bf16", RuntimeError, "does not support precision 'bf16'"),
        (b.cudnn.conv, "bf16", RuntimeError, "does not support precision 'bf16'"),
        (b, "x", RuntimeError, "Unknown precision: x"),
        (b.cudnn, 3, TypeError, "fp32_precision"),
    ):
        with pytest.raises(kind, match=text):
            place.fp32_precision = value
    for name in ("allow_tf32", "enabled", "benchmark", "deterministic"):
        with pytest.raises(RuntimeError, match="expects a bool, but got int"):
            setattr(b.cudnn, name, 1)
    with pytest.raises(RuntimeError, match="set_allow_tf32_cublas expects a bool, but got str"):
        b.cuda.matmul.allow_tf32 = "yes"
    with pytest.raises(AttributeError, match="Unknown attribute alow_tf32"):
        b.cuda.matmul.alow_tf32 = True
    with pytest.raises(AttributeError, match="Unknown attribute nope"):
        _ = b.cudnn.rnn.nope
    with pytest.raises(ValueError, match="expected one of highest, high, medium"):
        torch.set_float32_matmul_precision("low")
    with pytest.raises(RuntimeError, match="Expected one of: auto, cudnn, native"):
        b.cudnn.depthwise_kernel = "x"
    with pytest.raises(RuntimeError, match="mix of the legacy and new APIs"):
        b.cuda.matmul.fp32_precision = "tf32"
        _ = b.cuda.matmul.allow_tf32


def test_sums_of_16_bits() -> None:
    matmul = b.cuda.matmul
    assert matmul.allow_fp16_reduced_precision_reduction and matmul.allow_bf16_reduced_precision_reduction
    matmul.allow_fp16_reduced_precision_reduction = False
    assert not config.cuda_float16_sums and config.cuda_float16_splits and config.cuda_bfloat16_sums
    matmul.allow_bf16_reduced_precision_reduction = (False, False)
    assert not matmul.allow_bf16_reduced_precision_reduction_split_k
    with pytest.raises(RuntimeError, match="allow_splitk=False"):
        matmul.allow_bf16_reduced_precision_reduction = True, False
    with pytest.raises(TypeError, match="expects a bool or a tuple"):
        matmul.allow_bf16_reduced_precision_reduction = 1
    matmul.allow_fp16_accumulation = True
    assert matmul.allow_fp16_accumulation
    matmul.allow_fp16_accumulation = False


def test_states_have_numbers() -> None:
    """What is planned holds for a state of the switches."""
    start, numbers = config.cuda_generation, set()
    torch.set_float32_matmul_precision("highest")
    assert config.cuda_generation == start
    for place, name, value in (
        (b.cudnn, "benchmark", True), (b.cuda.matmul, "allow_tf32", True), (b.cudnn, "allow_tf32", False),
        (b.cuda.matmul, "allow_bf16_reduced_precision_reduction", False), (b.cudnn, "enabled", False),
        (b.cudnn, "depthwise_kernel", "cudnn"), (b.cudnn, "deterministic", True),
    ):  # fmt: skip
        before = getattr(place, name)
        setattr(place, name, value)
        numbers.add(config.cuda_generation)
        setattr(place, name, before)
        assert config.cuda_generation == start
    torch.use_deterministic_algorithms(True)
    numbers.add(config.cuda_generation)
    torch.use_deterministic_algorithms(False)
    assert len(numbers) == 8 and start not in numbers and config.cuda_generation == start


def test_what_is_pending_runs_before_a_change() -> None:
    with simulated():
        x = torch.ones(2, 2, device="cuda")
        y = x @ x
        assert trace.state.nodes
        b.cuda.matmul.allow_tf32 = True
        assert not trace.state.nodes
        assert y.tolist() == [[2, 2], [2, 2]]


def test_flags_are_taken_back() -> None:
    before = said()
    with b.cudnn.flags(benchmark=True, allow_tf32=False, deterministic=True):
        assert not b.cudnn.enabled and b.cudnn.benchmark and b.cudnn.deterministic
        assert not config.cuda_conv_tf32 and not b.cudnn.allow_tf32
    assert b.cudnn.enabled and not b.cudnn.benchmark and said() == before
    with b.flags(fp32_precision="tf32"):
        assert config.cuda_matmul_tf32
    assert said() == before and not config.cuda_matmul_tf32
    assert b.cudnn.set_flags(_benchmark=True) == (True, False, 10, False, True, "none", "auto")
    assert b.set_flags("ieee") == ("none",) and b.fp32_precision == "ieee"


def test_without_a_gpu() -> None:
    if torch.cuda.is_available():
        return
    assert not b.cuda.is_built() and not b.cuda.is_flash_attention_available()
    assert not b.cudnn.is_available() and b.cudnn.version() is None
    assert not b.cudnn.is_acceptable(torch.ones(1))
    assert torch.float32 in b.cudnn.CUDNN_TENSOR_DTYPES
