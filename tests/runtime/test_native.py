"""LLVM through llvmlite: the host, object code, linking."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
import weakref
from types import SimpleNamespace

import pytest

from flambeau.codegen.kernel import Target
from flambeau.runtime import native

pytestmark = pytest.mark.skipif(not native.available(), reason=native.reason())

TWICE = "define i64 @twice(i64 %x) { %y = add i64 %x, %x\n ret i64 %y }"


def call(address: int, x: int) -> int:
    return int(ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)(x))


def test_the_host_is_a_target() -> None:
    target = Target(*native.host())
    assert target.vector_bytes in (16, 32, 64)
    assert target.registers in (16, 32)
    assert target.triple and target.cpu


def test_a_narrower_host_has_no_wide_features() -> None:
    for most in (32, 16):
        narrow = native.host(most)
        assert narrow.vector_bytes <= most
        assert not narrow.masks
        assert "+avx512f" not in narrow.features


def test_code_is_compiled_and_linked() -> None:
    code = native.compile_module(TWICE)
    assert isinstance(code, bytes)
    library = native.load([code], ["twice"])
    assert call(library.addresses["twice"], 21) == 42


def test_several_objects_and_symbols_in_one_library() -> None:
    first = native.compile_module(TWICE)
    second = native.compile_module(
        "declare i64 @twice(i64)\n"
        "define i64 @four(i64 %x) { %y = call i64 @twice(i64 %x)\n"
        "%z = call i64 @twice(i64 %y)\n ret i64 %z }\n"
        "define i64 @same(i64 %x) { ret i64 %x }"
    )
    library = native.load([first, second], ["four", "same"])
    assert call(library.addresses["four"], 5) == 20
    assert call(library.addresses["same"], 5) == 5


def test_equal_names_in_different_libraries_do_not_meet() -> None:
    text = "define i64 @f(i64 %x) {{ %y = add i64 %x, {}\n ret i64 %y }}"
    made = [native.load([native.compile_module(text.format(n))], ["f"]) for n in (1, 2)]
    assert [call(x.addresses["f"], 0) for x in made] == [1, 2]


def test_imports_and_what_the_process_exports() -> None:
    called = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
    function = kind(lambda x: called.append(x) or x + 1)
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address
    code = native.compile_module(
        "declare i64 @ours(i64)\ndeclare i64 @labs(i64)\n"
        "define i64 @f(i64 %x) { %y = call i64 @labs(i64 %x)\n"
        "%z = call i64 @ours(i64 %y)\n ret i64 %z }"
    )
    library = native.load([code], ["f"], ours=address)
    assert call(library.addresses["f"], -4) == 5
    assert called == [4]


def test_what_is_wrong_raises() -> None:
    with pytest.raises(RuntimeError, match="parsing"):
        native.compile_module("define void @f(")
    with pytest.raises(RuntimeError):
        native.load([b"no object code"], ["f"])
    with pytest.raises(RuntimeError, match="missing"):
        native.load([native.compile_module(TWICE)], ["missing"])


def test_assembly_for_other_machines() -> None:
    text = (
        "define <4 x float> @f(<4 x float> %x, <4 x float> %y) {\n"
        "%z = fmul <4 x float> %x, %y\n ret <4 x float> %z }"
    )
    arm = SimpleNamespace(triple="aarch64-unknown-linux-gnu", cpu="neoverse-n1", features="")
    assert "fmul\tv0.4s" in native.assembly(text, arm)
    avx2 = SimpleNamespace(triple="x86_64-unknown-linux-gnu", cpu="x86-64-v3", features="")
    assert "vmulps" in native.assembly(text, avx2)


def test_several_threads_compile() -> None:
    results: dict[int, int] = {}

    def work(n: int) -> None:
        text = f"define i64 @f(i64 %x) {{ %y = mul i64 %x, {n}\n ret i64 %y }}"
        library = native.load([native.compile_module(text)], ["f"])
        results[n] = call(library.addresses["f"], 3)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {n: 3 * n for n in range(8)}


def test_without_llvmlite_nothing_raises() -> None:
    code = (
        "import sys; sys.modules['llvmlite'] = None\n"
        "from flambeau.runtime import native, kernel_cache, pool, blocks\n"
        "assert not native.available()\n"
        "assert 'llvmlite' in native.reason(), native.reason()\n"
        "pool.synchronize(); assert pool.done(0); assert pool.get_num_threads() > 0\n"
        "pool.set_num_threads(1); assert pool.get_num_threads() == 1\n"
        "assert blocks.empty((3,), 'f4').shape == (3,)\n"
        "try: kernel_cache.addresses([]); native.compile_module('')\n"
        "except native.Unavailable: print('fine')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "fine\n", done.stderr


def test_linkers_go_with_their_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "LINKED", 2)
    code = native.compile_module(TWICE)
    libraries = [native.load([code], ["twice"]) for _ in range(6)]
    linkers = {id(library._tracker.linker): weakref.ref(library._tracker.linker) for library in libraries}
    assert len(linkers) >= 3
    for left in (libraries[::2], libraries[1:]):
        libraries = left
        assert [call(library.addresses["twice"], 4) for library in libraries] == [8] * len(left)
    del libraries, left
    assert sum(ref() is not None for ref in linkers.values()) <= 1  # the one at work
