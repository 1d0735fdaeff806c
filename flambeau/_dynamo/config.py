"""`torch._dynamo.config`: switches that may be set. flambeau's compiler asks for none of them."""

from __future__ import annotations

from flambeau.errors import refusing
from flambeau.lacking.options import patch_of

suppress_errors = False
verbose = False
cache_size_limit = recompile_limit = 8
accumulated_cache_size_limit = accumulated_recompile_limit = 256
dynamic_shapes = True
assume_static_by_default = True
automatic_dynamic_shapes = True
capture_scalar_outputs = False
capture_dynamic_output_shape_ops = False
optimize_ddp: bool | str = True
inline_inbuilt_nn_modules = True
guard_nn_modules = True
error_on_recompile = False
fail_on_recompile_limit_hit = False
disable = False
log_level = None
compiled_autograd = False
force_parameter_static_shapes = True
allow_unspec_int_on_nn_module = False
skip_nnmodule_hook_guards = True

patch = patch_of(globals())

__getattr__ = refusing(__name__)
