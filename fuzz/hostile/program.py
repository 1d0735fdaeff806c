"""Files for `weights_only=False`: what they can still do is build objects of known classes."""

from __future__ import annotations

from collections.abc import Iterator

from fuzz.hostile import COMMAND, Attack
from fuzz.hostile.assembly import call, name, number, numbers, raw, tensor, text, tuple_of
from fuzz.targets._archives import checkpoint

_ALONE = "not among the names"


def _new(module: str, attribute: str, *args: bytes) -> bytes:
    return name(module, attribute) + tuple_of(*args) + b"\x81"


def _state(made: bytes, **attributes: bytes) -> bytes:
    return made + b"}" + b"".join(text(k) + v + b"s" for k, v in attributes.items()) + b"b"


def _files() -> Iterator[tuple[str, bytes, str | None]]:
    path = call("pathlib", "PosixPath", text("executed-by-a-hostile-file"))
    write = call("builtins", "getattr", name("pathlib", "PosixPath"), text("write_text"))
    yield "method-of-a-path", write, "asks for 'write_text'"
    yield (
        "method-of-a-path-object",
        call("builtins", "getattr", path, text("write_text")),
        "asks for",
    )
    partial = call("functools", "partial", write, path)
    warning = call("tqdm.std", "TqdmDeprecationWarning", text("x"), partial)
    yield "called-by-a-constructor", warning, "asks for|not among"
    called = call("tqdm.std", "TqdmDeprecationWarning", text("x"), name("torch.hub", "load"))
    yield "function-of-the-library", called, _ALONE
    for full in ("hub.load", "load", "save", "hub.download_url_to_file", "jit.load", "from_file",
                 "utils.tensorboard.writer.SummaryWriter.close", "serialization.load"):  # fmt: skip
        module, _, function = f"torch.{full}".rpartition(".")
        part = call("functools", "partial", name(module, function), text("x"))
        layer = _state(_new("torch.nn.modules.linear", "Identity"), forward=part)
        yield f"forward-is-{full}", layer, _ALONE
    yield "image-of-a-parameter", _state(
        _new("torchvision.tv_tensors._image", "Image", tensor()), _offset=number(10**9)
    ), f"{_ALONE}|can't be|without arguments|made"  # fmt: skip
    yield "buffer-internals", _state(
        _new("torch.nn.parameter", "Buffer", tensor()), _offset=number(10**9)
    ), f"{_ALONE}|can't be|sets|without arguments|only the names"  # fmt: skip
    registry = name("torch.nn.modules._registry", "Registry")
    yield (
        "registry-of-a-tensor",
        registry + b")\x81" + tuple_of(tensor()) + b"b",
        (f"{_ALONE}|can't be made|known|only the names"),
    )
    yield "bias-of-any-size", _new(
        "torch.nn.attention.bias", "CausalBias", number(1), number(2**40), number(2**40)
    ), "without arguments|can't be|only the names|not among"  # fmt: skip
    identity = _new("torch.nn.modules.linear", "Identity")
    slots = b"N}" + text("__class__") + name("torch.nn.modules.linear", "Linear") + b"s\x86b"
    yield "class-exchanged", _new("types", "SimpleNamespace") + slots, "sets '__class__'|damaged"
    yield "state-is-no-dict", identity + number(5) + b"b", "damaged at byte"
    yield (
        "deque-of-a-range",
        call("collections", "deque", call("builtins", "range", number(10**12))),
        ("made of a range"),
    )
    yield "fraction", call("fractions", "Fraction", text("1e1000000000")), "a Fraction made of"
    state = tuple_of(number(2), call("builtins", "range", number(10**12)), b"N")
    yield "random-state", _new("random", "Random") + state + b"b", "state of a random.Random"
    deque = name("collections", "deque") + b"q\x000"
    one = b"h\x00)R"
    yield "deep-deques", deque + one * 30_000 + b"a" * 29_999, "too deep"
    yield "name-with-many-dots", name("torch" + ".nn" * 300, "x"), _ALONE
    yield "script-beside", name("setup", "x"), _ALONE
    yield "module-is-no-value", name("torch", "nn"), _ALONE
    yield "internals", name("torch.runtime.blocks", "Block"), f"{_ALONE}"
    yield "bound-method", call("builtins", "getattr", identity, text("__init__")), "asks for"
    yield "class-of-a-file", _new("torch.utils.data.dataset", "TensorDataset"), None
    yield "shell-in-a-name", name("torch;import os", f"system({COMMAND})"), _ALONE
    yield "data-class-of-bytes", call("datetime", "datetime", raw(b"\xff" * 10)), "damaged|month"
    yield "numbers-of-a-namespace", call("types", "SimpleNamespace", numbers(1)), "damaged|argument"


def attacks() -> Iterator[Attack]:
    for what, pickled, refusal in _files():
        safe = f"{_ALONE}|can't be|only the names"
        yield Attack(f"program/{what}.pt", checkpoint(pickled + b"."), safe, refusal)
