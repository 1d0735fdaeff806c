"""A stand-in for libcuda over simulated GPUs: an object with its functions by their exported names.

They take what ctypes takes: `byref(x)`, pointers, arrays, ints for handles and addresses, bytes for texts,
and give a code. Work is queued and runs when something waits for it, kernels in `machine.Machine`.
"""

from __future__ import annotations

import ctypes
from typing import Any

from . import codes
from .driver_calls import number, put
from .driver_memory import Memories
from .modules import Function, Module, load
from .running import check_launch, dim3

DRIVER_VERSION = 12085
"""What the driver says it is made for; no real one says this."""


class Linker:
    def __init__(self, options: tuple[int, Any, Any]) -> None:
        self.options = options
        self.data: list[bytes] = []
        self.made: Any = None


class Driver(Memories):
    """The functions, of which those for code and launches are here. Made by `panel.SimulatedGpu`, which is what
    tests talk to."""

    def cuModuleLoadDataEx(
        self, out: Any, image: Any, count: Any, options: Any, values: Any
    ) -> int:
        data = image if isinstance(image, bytes) else ctypes.string_at(number(image))
        found = load(data, self.here())
        if isinstance(found, tuple):
            code, text = found
            self._log(number(count), options, values, text)
            return code
        put(out, self.give(found))
        return 0

    def cuModuleLoadData(self, out: Any, image: Any) -> int:
        return self.cuModuleLoadDataEx(out, image, 0, None, None)

    def _log(self, count: int, options: Any, values: Any, text: str) -> None:
        """Write into the buffer for errors that the options name."""
        if not count:
            return
        names = (ctypes.c_int * count).from_address(number(options))
        slots = (ctypes.c_void_p * count).from_address(number(values))
        held = dict(zip(list(names), list(slots)))
        if held.get(5) and held.get(6):
            data = text.encode()[: held[6] - 1] + b"\0"
            ctypes.memmove(held[5], data, len(data))

    def cuModuleUnload(self, module: Any) -> None:
        found = self.take(module, Module)
        found.unload()  # nothing is waited for: a kernel of it that is still to run is an error
        del self.handles[number(module)]

    def cuModuleGetFunction(self, out: Any, module: Any, name: Any) -> int:
        text = name if isinstance(name, bytes) else ctypes.string_at(number(name))
        found = self.take(module, Module).function(text.decode())
        if found is None:
            return codes.NOT_FOUND
        put(out, self.give(found))
        return 0

    def cuModuleGetGlobal_v2(self, address: Any, size: Any, module: Any, name: Any) -> int:
        text = name if isinstance(name, bytes) else ctypes.string_at(number(name))
        found = self.take(module, Module).globals.get(text.decode())
        if found is None:
            return codes.NOT_FOUND
        owner = self.here().memory.owner(found)
        put(address, found)
        put(size, owner[1] - owner[0] if owner else 0)
        return 0

    def cuFuncGetAttribute(self, out: Any, attribute: Any, function: Any) -> int:
        value = self.take(function, Function).attribute(number(attribute))
        if value is None:
            return codes.INVALID_VALUE
        put(out, value)
        return 0

    def cuFuncSetAttribute(self, function: Any, attribute: Any, value: Any) -> int:
        found = self.take(function, Function)
        if number(attribute) == 8:
            if number(value) + found.program.static_shared > found.device.attributes[97]:
                return codes.INVALID_VALUE
            found.dynamic_limit = number(value)
            return 0
        return 0 if number(attribute) == 9 else codes.INVALID_VALUE

    def cuFuncSetCacheConfig(self, function: Any, config: Any) -> None:
        self.take(function, Function)

    def cuOccupancyMaxActiveBlocksPerMultiprocessor(
        self, out: Any, function: Any, block: Any, shared: Any
    ) -> None:
        found = self.take(function, Function)
        shared_bytes = found.program.static_shared + number(shared) + 1024
        put(
            out,
            max(
                0,
                min(32, 2048 // max(number(block), 1), found.device.attributes[81] // shared_bytes),
            ),
        )

    def cuLinkCreate_v2(self, count: Any, options: Any, values: Any, out: Any) -> None:
        put(out, self.give(Linker((number(count), options, values))))

    def cuLinkAddData_v2(
        self,
        state: Any,
        kind: Any,
        data: Any,
        size: Any,
        name: Any,
        count: Any,
        options: Any,
        values: Any,
    ) -> int:
        linker = self.take(state, Linker)
        text = data if isinstance(data, bytes) else ctypes.string_at(number(data), number(size))
        found = load(text, self.here(), False)
        if isinstance(found, tuple):
            code, said = found
            self._log(number(linker.options[0]), linker.options[1], linker.options[2], said)
            return code
        linker.data.append(text.rstrip(b"\0"))
        return 0

    def cuLinkComplete(self, state: Any, out: Any, size: Any) -> int:
        linker = self.take(state, Linker)
        if len(linker.data) != 1:
            return codes.INVALID_VALUE
        head = b"SIMCUBIN %d\n" % self.here().capability
        linker.made = ctypes.create_string_buffer(head + linker.data[0])
        put(out, ctypes.addressof(linker.made))
        put(size, len(head + linker.data[0]))
        return 0

    def cuLinkDestroy(self, state: Any) -> None:
        self.take(state, Linker)
        del self.handles[number(state)]

    def cuLaunchKernel(
        self,
        function: Any,
        gx: Any,
        gy: Any,
        gz: Any,
        bx: Any,
        by: Any,
        bz: Any,
        shared: Any,
        stream: Any,
        parameters: Any,
        extra: Any,
    ) -> int:
        found = self.take(function, Function)
        queue = self.queue(stream)
        grid, block = (
            dim3([number(v) for v in (gx, gy, gz)]),
            dim3([number(v) for v in (bx, by, bz)]),
        )
        dynamic = number(shared)
        program = found.program
        if found.module.gone:
            return codes.INVALID_HANDLE
        try:
            check_launch(grid, block, program.max_threads)
        except ValueError:
            return codes.INVALID_VALUE
        limit = max(found.dynamic_limit, (48 << 10) - program.static_shared)
        if dynamic > limit or found.device.index != self.here().index:
            return codes.INVALID_VALUE
        packed = bytearray(program.parameter_bytes)
        if number(parameters):
            pointers = (ctypes.c_void_p * len(program.parameters)).from_address(number(parameters))
            for where, (_, offset, nbytes) in zip(pointers, program.parameters):
                packed[offset : offset + nbytes] = ctypes.string_at(where, nbytes)
        elif number(extra):
            names = (ctypes.c_void_p * 5).from_address(number(extra))
            held = {names[0]: names[1], names[2]: names[3]}
            size = ctypes.c_size_t.from_address(held[2] or 0).value
            packed[:size] = ctypes.string_at(held[1] or 0, size)
        elif program.parameters:
            return codes.INVALID_VALUE
        self.submit(
            queue, program.name, lambda: self.gpu.launch(found, grid, block, dynamic, bytes(packed))
        )
        return 0
