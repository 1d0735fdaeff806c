"""The functions behind the layers: `import flambeau.nn.functional as F`.

They are the operations of the op table with PyTorch's signatures, its checks and its old
arguments. What the table lacks is composed of it here.
"""

from __future__ import annotations

from flambeau.errors import refusing

# No file here may have the name of a function: importing `functional/linear.py` later would
# put the module in the place of `F.linear`.
from .activation import *  # noqa: F403
from .attention import *  # noqa: F403
from .conv import *  # noqa: F403
from .ctc import *  # noqa: F403
from .distance import *  # noqa: F403
from .dropouts import *  # noqa: F403
from .linears import *  # noqa: F403
from .loss import *  # noqa: F403
from .margin_loss import *  # noqa: F403
from .normalization import *  # noqa: F403
from .pooling import *  # noqa: F403
from .resize import *  # noqa: F403
from .sampling import *  # noqa: F403
from .vision import *  # noqa: F403

__getattr__ = refusing(__name__)
