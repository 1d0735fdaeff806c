"""What flambeau's users should do instead of something that it lacks."""

from __future__ import annotations

from .catalogue import is_known, is_module

_ADVICE: tuple[tuple[str, str, str], ...] = (
    # What names begin with, what these are, what to use instead.
    ("torch.ao.quantization torch.quantization torch.ao torch.nn.quantized torch.nn.qat "
     "torch.nn.intrinsic torch.nn.quantizable torch.quantize_per torch.fake_quantize torch.quantized_ "
     "torch.fbgemm_ torch.qint torch.quint torch.QInt torch.QUInt torch.backends.quantized "
     "torch.per_tensor torch.per_channel torch.empty_quantized torch.choose_qparams torch.q_ "
     "torch.qscheme torch.int_repr torch.dequantize torch.fused_moving_avg torch._empty_",
     "part of quantization", "keep the model in floats: model.to(torch.bfloat16) halves its memory"),
    ("torch.sparse torch.hspmm torch.hsmm torch.dsmm torch.smm torch.spmm torch.saddmm torch.sspaddmm "
     "torch.resize_as_sparse_ torch.row_indices torch.col_indices torch.ccol_indices "
     "torch.crow_indices torch.indices_copy torch.values_copy",
     "for sparse tensors", "use dense tensors, or an index with torch.index_add and gather"),
    ("torch.nested torch.jagged", "for nested tensors",
     "pad with torch.nn.utils.rnn.pad_sequence and pass a mask"),
    ("torch.masked", "for masked tensors", "use torch.where or torch.masked_fill with the mask"),
    ("torch.onnx", "the export to ONNX", "keep the weights with torch.save(model.state_dict(), f)"),
    ("torch.export torch._export", "the export of programs",
     "keep the weights with torch.save(model.state_dict(), f)"),
    ("torch.package", "for code packed into files", "ship the source, and the weights by torch.save"),
    ("torch.fx", "the tracing of modules into graphs",
     "use forward hooks to look into a module, or change its submodules"),
    ("torch.distributed torch.nn.parallel.Distributed torch.contrib", "for training on several processes",
     "train in one process, which uses all cores, or start workers with torch.multiprocessing"),
    ("torch._inductor torch._dynamo torch._functorch torch._higher_order_ops torch.compiler "
     "torch.nativert", "part of PyTorch's compiler",
     "leave it out: flambeau compiles what repeats without being asked"),
    ("torch.jit torch.ScriptModule torch.Script torch.parse_ torch.import_ir_module",
     "part of TorchScript", "call the Python code itself, which flambeau compiles without being asked"),
    ("torch.cuda torch.xpu torch.mps torch.mtia torch.cudnn_ torch.miopen_ torch.backends.cu",
     "for GPUs", "use the CPU: test torch.cuda.is_available() first"),
    ("torch.mkldnn_ torch.utils.mkldnn torch.backends.mkldnn", "for oneDNN",
     "use the plain operation"),
    ("torch.utils.cpp_extension torch.utils.hipify", "for extensions in C++ and CUDA",
     "write the operation in Python: as torch operations it is compiled"),
    ("torch.utils.data.datapipes", "for data pipes",
     "write a torch.utils.data.IterableDataset whose __iter__ is a generator"),
    ("torch.utils.mobile_optimizer torch.utils.bundled_inputs", "for phones",
     "use the module as it is"),
    ("torch.testing.FileCheck torch.FileCheck", "a check of compiler output",
     "use Python's re on the text"),
    ("torch._C", "PyTorch's own machinery", "use the public function of the torch namespace"),
    ("torch.prims torch._prims torch._refs torch._decomp torch._subclasses torch._library "
     "torch._guards torch._logging torch._numpy", "PyTorch's own machinery",
     "use the public function of the torch namespace"),
    ("torchvision.models.detection", "for finding objects",
     "build on a backbone of torchvision.models, with torchvision.ops (nms, roi_align, box_iou)"),
    ("torchvision.models.feature_extraction", "to look into a model",
     "use forward hooks: module.register_forward_hook"),
    ("torchvision.models.quantization", "part of quantization", "use the model of torchvision.models"),
    ("torchvision.models.video torchvision.models.optical_flow torchvision.io.video torchvision.io.Video",
     "for videos", "work on single pictures: torchvision.models, torchvision.io.read_image"),
    ("torch.utils._triton", "for GPUs", "leave it out: kernels are made by flambeau"),
    ("torch.float8 torch.float4 torch.bits torch.uint1 torch.uint2 "
     "torch.uint3 torch.uint4 torch.uint5 torch.uint6 torch.uint7 torch.int1 torch.int2 torch.int3 "
     "torch.int4 torch.int5 torch.int6 torch.int7", "a dtype", "use one that flambeau has: torch.bfloat16, "
     "torch.float16, torch.int8, torch.uint8, torch.complex64"),
)  # fmt: skip

_OLD = {
    "torch.gesv": "torch.linalg.solve(A, B)", "torch.solve": "torch.linalg.solve(A, B)",
    "torch.symeig": "torch.linalg.eigh(A)", "torch.eig": "torch.linalg.eig(A)",
    "torch.lstsq": "torch.linalg.lstsq(A, B)", "torch.matrix_rank": "torch.linalg.matrix_rank(A)",
    "torch.potrf": "torch.linalg.cholesky(A)", "torch.potri": "torch.cholesky_inverse(L)",
    "torch.potrs": "torch.cholesky_solve(B, L)", "torch.btrifact": "torch.linalg.lu_factor(A)",
    "torch.btriunpack": "torch.lu_unpack(LU, pivots)", "torch.btrisolve": "torch.lu_solve(B, LU, pivots)",
    "torch.trtrs": "torch.linalg.solve_triangular(A, B, upper=...)", "torch.rfft": "torch.fft.rfft(x)",
    "torch.irfft": "torch.fft.irfft(x)", "torch.ifft": "torch.fft.ifft(x)",
    "torch.nn.functional.sampled_softmax": "torch.nn.AdaptiveLogSoftmaxWithLoss",
    "torch.utils.data.dataloader.numpy_type_map": "torch.from_numpy",
    "torch.utils.ffi": "the operation in Python: as torch operations it is compiled",
    "torch.utils.trainer": "a training loop in Python", "torch.legacy": "torch.nn",
    "torch.utils.serialization.load_lua": "torch.load(f)", "torch.optim.optimizer.required": "a default",
}
"""Names that PyTorch had once and has no more: what to write."""

_TENSOR: tuple[tuple[str, str, str], ...] = (
    ("to_sparse is_coalesced coalesce indices values crow_indices col_indices ccol_indices "
     "row_indices sparse_ is_sparse_csr resize_as_sparse_ smm sspaddmm",
     "for sparse tensors", "use dense tensors, or an index with torch.index_add and gather"),
    ("q_ qscheme int_repr dequantize", "part of quantization", "keep the tensor in floats"),
    ("to_padded_tensor", "for nested tensors", "pad with torch.nn.utils.rnn.pad_sequence"),
    ("is_ipu is_maia is_mtia is_vulkan is_xla ipu mtia xpu", "for devices",
     "use the CPU"),
    ("to_mkldnn", "for oneDNN", "use the tensor as it is"),
    ("solve", "an old form", "write torch.linalg.solve(A, B)"),
    ("lstsq", "an old form", "write torch.linalg.lstsq(A, B)"),
    ("symeig", "an old form", "write torch.linalg.eigh(A)"),
    ("eig", "an old form", "write torch.linalg.eig(A)"),
    ("reinforce", "an old form", "multiply the loss by the reward: see torch.distributions"),
)  # fmt: skip


def _found(table: tuple[tuple[str, str, str], ...], name: str) -> tuple[str, str]:
    """What a name is and what to use instead, by the longest start that is listed."""
    best = ("", "", "")
    for starts, what, instead in table:
        for start in starts.split():
            if name.startswith(start) and len(start) > len(best[0]):
                best = (start, what, instead)
    return best[1:]


def _kind(full: str) -> str:
    if is_module(full):
        return "module"
    last = full.rpartition(".")[2]
    return "class" if last[:1].isupper() and not last.isupper() else "name"


def sentence(full: str, kind: str = "name") -> str:
    """One sentence on a name of PyTorch's that flambeau lacks: what it is, and what to do."""
    if full.startswith("torch.Tensor."):
        what, instead = _found(_TENSOR, full.removeprefix("torch.Tensor."))
    else:
        what, instead = _found(_ADVICE, full)
    old = _OLD.get(full)
    if old is not None:
        return f"flambeau has no {full}: it is an old name, which PyTorch has given up; write {old}"
    shown = f"{'module ' if kind == 'module' else ''}{full}"
    if is_known(full):
        whose = "torchvision's" if full.startswith("torchvision") else "PyTorch's"
        is_what = f"a {_kind(full)} of {whose}" + (f", {what}" if what else "")
        text = f"flambeau has no {shown}: it is {is_what}, and flambeau lacks it so far"
    elif any(part.startswith("_") for part in full.split(".")):
        text = f"flambeau has no {shown}: PyTorch keeps it to itself if it has it"
    else:
        text = f"flambeau has no {shown}: PyTorch 2.13 has no such {kind} either"
    return f"{text}; {instead}" if instead else text


def tensor_advice(name: str) -> str:
    """What to do about an attribute that tensors lack: `; use ...`, or nothing."""
    instead = _found(_TENSOR, name)[1]
    return f"; {instead}" if instead else ""
