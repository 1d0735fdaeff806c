"""Networks that tell what each pixel of a picture belongs to."""

from flambeau.errors import refusing

from .deeplabv3 import *  # noqa: F403
from .fcn import *  # noqa: F403
from .lraspp import *  # noqa: F403

__getattr__ = refusing(__name__)
