"""Networks for pictures, with torchvision's names, parameters and initial values.

After the same `manual_seed`, each is made with the parameters that torchvision's has, bit for bit.
"""

from flambeau.errors import refusing

from . import resnet as resnet
from . import segmentation as segmentation
from . import vgg as vgg
from ._api import *  # noqa: F403

# Some modules bear the name of their one function, which is what the name means from here on.
from .alexnet import *  # noqa: F403
from .convnext import *  # noqa: F403
from .densenet import *  # noqa: F403
from .efficientnet import *  # noqa: F403
from .googlenet import *  # noqa: F403
from .inception import *  # noqa: F403
from .lenet import *  # noqa: F403
from .maxvit import *  # noqa: F403
from .mnasnet import *  # noqa: F403
from .mobilenet import *  # noqa: F403
from .regnet import *  # noqa: F403
from .resnet import *  # noqa: F403
from .shufflenetv2 import *  # noqa: F403
from .squeezenet import *  # noqa: F403
from .swin_transformer import *  # noqa: F403
from .vgg import *  # noqa: F403
from .vision_transformer import *  # noqa: F403

__getattr__ = refusing(__name__)
