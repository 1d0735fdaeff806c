"""Pictures in files, read and written as tensors of bytes. Videos are not read."""

from flambeau.errors import refusing

from .image import *  # noqa: F403
from .image import __all__ as __all__

__getattr__ = refusing(__name__)
