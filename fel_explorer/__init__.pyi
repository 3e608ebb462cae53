import typing

from . import app as app
from . import comparison as comparison
from . import data as data
from . import export as export
from . import features as features
from . import free_energy as free_energy
from . import kinetics as kinetics
from . import methods as methods
from . import parallel as parallel
from . import plots as plots
from . import resampling as resampling
from . import sampling as sampling
from . import structures as structures
from . import systems as systems
from . import training as training
from .app import explore as explore
from .data import as_dataset as as_dataset
from .data import attach_columns as attach_columns
from .data import load_trajectories as load_trajectories
from .data import open_dataset as open_dataset
from .data import sample_data as sample_data
from .data import save_dataset as save_dataset
from .errors import FelError as FelError
from .features import featurize as featurize
from .features import list_featurizers as list_featurizers
from .methods import certify as certify
from .methods import list_methods as list_methods
from .methods import load_model as load_model
from .parallel import set_scheduler as set_scheduler

__version__: str

def __getattr__(name: str) -> typing.Any: ...  # registered methods, those of plugins too
