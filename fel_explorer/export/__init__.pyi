from .ann import ann_action as ann_action
from .ann import dense_layers as dense_layers
from .plumed import plumed as plumed
from .torch_files import save_archive as save_archive
from .torch_files import save_torchscript as save_torchscript
