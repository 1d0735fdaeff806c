"""`torch._inductor.config`: switches that may be set. flambeau's compiler asks for none of them."""

from __future__ import annotations

from types import SimpleNamespace

from flambeau.errors import refusing
from flambeau.lacking.options import patch_of

debug = False
max_autotune = max_autotune_gemm = max_autotune_pointwise = False
coordinate_descent_tuning = False
epilogue_fusion = True
shape_padding = True
freezing = False
fx_graph_cache = True
force_fuse_int_mm_with_mul = use_mixed_mm = False
conv_1x1_as_mm = False
fallback_random = False
compile_threads = 1
cpp_wrapper = False
triton = SimpleNamespace(cudagraphs=False, unique_kernel_names=True, cudagraph_trees=True)
cpp = SimpleNamespace(simdlen=None, threads=-1, vec_isa_ok=None)

patch = patch_of(globals())

__getattr__ = refusing(__name__)
