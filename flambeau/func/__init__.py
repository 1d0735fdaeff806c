"""`torch.func`: transforms of functions, which can be nested in any order.

`grad`, `vjp` and `jacrev` differentiate backwards, `jvp` and `jacfwd` forwards, `vmap` runs a function
of one sample for a batch: `vmap(grad(loss), in_dims=(None, 0, 0))` gives per-sample gradients.
"""

from __future__ import annotations

from ..errors import refusing
from ._batch_norm import replace_all_batch_norm_modules_
from ._forward import jvp, linearize
from ._jacobians import hessian, jacfwd, jacrev
from ._modules import functional_call, functionalize, stack_module_state
from ._reverse import grad, grad_and_value, vjp
from ._unwrap import debug_unwrap
from ._vmap import vmap

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd",
    "jacrev", "jvp", "linearize", "replace_all_batch_norm_modules_", "stack_module_state", "vjp",
    "vmap",
]  # fmt: skip

__getattr__ = refusing(__name__)
