"""Makes the checkpoints in tests/serialization/data with PyTorch itself.

Run it in an environment that has PyTorch 2.13: `python tools/make_torch_fixtures.py`.
The tests read the files without PyTorch and rebuild the expected values with NumPy.
"""

from __future__ import annotations

import collections
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import torch

FOLDER = Path(__file__).parent.parent / "tests" / "serialization" / "data"
DTYPES = (
    "float16", "float32", "float64", "bfloat16", "uint8", "int8", "int16", "int32", "int64", "bool",
    "complex64", "complex128",
)  # fmt: skip


def content() -> dict:
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.arange(parameter.numel()).reshape(parameter.shape) + number)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5, betas=(0.5, 0.75))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.arange(parameter.numel()).reshape(parameter.shape) + number)
    return {
        "dtypes": {name: torch.arange(6).to(getattr(torch, name)).reshape(2, 3) for name in DTYPES},
        "views": [base, base[1], base.transpose(0, 2), base[:, 1:, ::2], base[0, 0, 1]],
        "empty": [torch.empty(0), torch.empty(3, 0, 2)],
        "parameter": torch.nn.Parameter(torch.tensor([1.0, 2.0])),
        "frozen": torch.nn.Parameter(torch.tensor([3.0]), requires_grad=False),
        "leaf": torch.tensor([4.0], requires_grad=True),
        "state_dict": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "plain": [
            None, True, False, 0, 255, 256, 65536, -1, 2**31, -(2**63), 2**200, 1.5, float("inf"),
            "text", "é", "", b"bytes\xff", bytearray(b"array"), (), (1,), (1, 2), (1, 2, 3, 4),
            {1, 2}, 3 + 4j,
        ],
        "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
        "counter": collections.Counter("aab"),
        "size": torch.Size([2, 3]),
        "device": torch.device("cpu"),
        "dtype": torch.bfloat16,
        7: {"nested": {"deep": [torch.tensor(2.5)]}},
    }  # fmt: skip


def without_new_records(path: Path) -> None:
    """As PyTorch 1.6 wrote the form: without byte order and the records that begin with a dot."""
    with zipfile.ZipFile(path) as archive:
        kept = {info: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in kept.items():
            if "/." not in info.filename and not info.filename.endswith("byteorder"):
                archive.writestr(info.filename, data)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    everything = content()
    torch.save(everything, FOLDER / "zip.pt")
    torch.save(everything, FOLDER / "protocol4.pt", pickle_protocol=4)
    torch.save(everything, FOLDER / "zip_1_6.pt")
    without_new_records(FOLDER / "zip_1_6.pt")
    torch.save(everything, FOLDER / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Linear(2, 2), FOLDER / "module.pt")
    torch.save(
        {"numpy": np.arange(6.0).reshape(2, 3), "scalar": np.float32(1.5)}, FOLDER / "numpy.pt"
    )
    tagged = torch.tensor([1.0, 2.0])
    tagged.label = "tagged"
    conjugated = torch.tensor([1 + 2j, 3 - 4j]).conj()
    torch.save({"tagged": tagged, "conjugated": conjugated}, FOLDER / "special.pt")
    torch.save({"sparse": torch.eye(2).to_sparse()}, FOLDER / "sparse.pt")
    with mock.patch("torch.serialization.location_tag", lambda storage: "cuda:0"):
        torch.save({"cuda": torch.ones(2)}, FOLDER / "cuda.pt")


if __name__ == "__main__":
    main()
