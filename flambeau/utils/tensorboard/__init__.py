"""`torch.utils.tensorboard`: logs that TensorBoard shows.

The event files are written here; neither TensorBoard nor protobuf needs to be installed for that.
"""

from __future__ import annotations

from flambeau.errors import refusing

from .writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]

__getattr__ = refusing(__name__)
