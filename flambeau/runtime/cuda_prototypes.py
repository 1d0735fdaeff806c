"""The functions of libcuda that are called, and what its codes mean for us."""

from __future__ import annotations

from ctypes import c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any

_handle, _out, _pointer = c_void_p, c_void_p, c_uint64

PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (_out,),
    "cuGetErrorName": (c_int, _out),
    "cuGetErrorString": (c_int, _out),
    # devices and contexts
    "cuDeviceGetCount": (_out,),
    "cuDeviceGet": (_out, c_int),
    "cuDeviceGetName": (c_void_p, c_int, c_int),
    "cuDeviceGetUuid_v2": (_out, c_int),
    "cuDeviceTotalMem_v2": (_out, c_int),
    "cuDeviceGetAttribute": (_out, c_int, c_int),
    "cuDeviceCanAccessPeer": (_out, c_int, c_int),
    "cuDevicePrimaryCtxRetain": (_out, c_int),
    "cuCtxSetCurrent": (_handle,),
    "cuCtxSynchronize": (),
    "cuCtxGetStreamPriorityRange": (_out, _out),
    # streams and events
    "cuStreamCreateWithPriority": (_out, c_uint, c_int),
    "cuStreamSynchronize": (_handle,),
    "cuStreamQuery": (_handle,),
    "cuStreamWaitEvent": (_handle, _handle, c_uint),
    "cuStreamBeginCapture_v2": (_handle, c_int),
    "cuStreamEndCapture": (_handle, _out),
    "cuStreamIsCapturing": (_handle, _out),
    "cuEventCreate": (_out, c_uint),
    "cuEventRecord": (_handle, _handle),
    "cuEventQuery": (_handle,),
    "cuEventSynchronize": (_handle,),
    "cuEventElapsedTime": (_out, _handle, _handle),
    # memory
    "cuMemGetInfo_v2": (_out, _out),
    "cuMemAllocAsync": (_out, c_size_t, _handle),
    "cuMemFreeAsync": (_pointer, _handle),
    "cuMemAlloc_v2": (_out, c_size_t),
    "cuMemFree_v2": (_pointer,),
    "cuDeviceGetDefaultMemPool": (_out, c_int),
    "cuMemPoolSetAttribute": (_handle, c_int, _out),
    "cuMemPoolTrimTo": (_handle, c_size_t),
    "cuMemHostAlloc": (_out, c_size_t, c_uint),
    "cuMemFreeHost": (c_void_p,),
    "cuMemHostRegister_v2": (c_void_p, c_size_t, c_uint),
    "cuMemHostUnregister": (c_void_p,),
    "cuPointerGetAttribute": (_out, c_int, _pointer),
    "cuMemcpyHtoDAsync_v2": (_pointer, c_void_p, c_size_t, _handle),
    "cuMemcpyDtoHAsync_v2": (c_void_p, _pointer, c_size_t, _handle),
    "cuMemcpyDtoDAsync_v2": (_pointer, _pointer, c_size_t, _handle),
    "cuMemcpyPeerAsync": (_pointer, _handle, _pointer, _handle, c_size_t, _handle),
    "cuMemsetD8Async": (_pointer, c_uint, c_size_t, _handle),
    # code
    "cuModuleLoadDataEx": (_out, c_void_p, c_uint, c_void_p, c_void_p),
    "cuModuleUnload": (_handle,),
    "cuModuleGetFunction": (_out, _handle, c_char_p),
    "cuFuncGetAttribute": (_out, c_int, _handle),
    "cuFuncSetAttribute": (_handle, c_int, c_int),
    "cuLinkCreate_v2": (c_uint, c_void_p, c_void_p, _out),
    "cuLinkAddData_v2": (_handle, c_int, c_void_p, c_size_t, c_char_p, c_uint, c_void_p, c_void_p),
    "cuLinkComplete": (_handle, _out, _out),
    "cuLinkDestroy": (_handle,),
    "cuLaunchKernel": (
        _handle, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, _handle, c_void_p, c_void_p,
    ),
    # graphs
    "cuGraphInstantiateWithFlags": (_out, _handle, c_uint64),
    "cuGraphLaunch": (_handle, _handle),
    "cuGraphGetNodes": (_handle, _out, _out),
    "cuGraphDestroy": (_handle,),
    "cuGraphExecDestroy": (_handle,),
    # profiler
    "cuProfilerStart": (),
    "cuProfilerStop": (),
}  # fmt: skip
"""What is called, by the names that the headers of CUDA 12 map to: the types of the arguments."""

OUT_OF_MEMORY, DEINITIALIZED, NO_DEVICE, NOT_READY = 2, 4, 100, 600

FATAL = frozenset([
    DEINITIALIZED, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721,
])  # fmt: skip
"""No context survives these: the library shut down, errors of memory (ECC) and of links, a destroyed
context, and what kernels do: illegal and misaligned addresses, time-outs, assertions, illegal
instructions, failed launches."""

HINTS = {
    2: "Free tensors that are not needed, or make batches smaller.",
    100: "CUDA_VISIBLE_DEVICES may hide what there is.",
    201: "The context was destroyed or was never made: something else in this process may have reset the device.",
    209: "The kernel was made for another GPU.",
    222: "The driver is older than the code: update NVIDIA's driver.",
    701: "The kernel takes more registers, threads or shared memory than the GPU has.",
    801: "This GPU or its driver can't do that.",
    802: "The machine's GPU fabric is still starting.",
    803: "NVIDIA's kernel module and libcuda are of different versions: restart the machine.",
    804: "A compatibility package of CUDA is installed that this GPU does not take.",
    900: "Something that waits for the device was called while a stream is being captured.",
}
"""What may help, by code."""
