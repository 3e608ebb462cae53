from .features import features as features
from .free_energies import free_energies as free_energies
from .significance import benjamini_hochberg as benjamini_hochberg
from .states import states as states
