"""`torch.utils.model_zoo`: the old name of the hub's downloads."""

from __future__ import annotations

from flambeau.hub import download_url_to_file as _download_url_to_file
from flambeau.hub import load_state_dict_from_url as load_url

__all__ = ["_download_url_to_file", "load_url"]
