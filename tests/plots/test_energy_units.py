"""Units of free energies."""

import pytest

from fel_explorer.errors import FelError
from fel_explorer.plots.energy_units import KT, energy_unit


def test_units_of_energy():
    assert energy_unit("kT", 0.0) is KT
    assert energy_unit("kJ/mol", 300.0).kT == pytest.approx(2.4943, abs=1e-4)
    assert energy_unit("kcal/mol", 298.15).kT == pytest.approx(0.59248, abs=1e-5)
    assert energy_unit("kJ/mol", 300.0).text(2.0) == "5.0 kJ/mol"
    assert energy_unit("kJ/mol", 300.0).text(2.0, 0.4) == "5.0 ± 1.0 kJ/mol"
    assert KT.text(0.0, 0.0) == "0.0 kT" and KT.text(1.0, float("nan")) == "1.0 kT"
    assert [energy_unit("kJ/mol", 300.0).step(top) for top in (9.0, 21.0, 48.0)] == [1.0, 5.0, 5.0]
    assert [KT.step(top) for top in (4.0, 21.0)] == [1.0, 3.0]
    for name, temperature in (("eV", 300.0), ("kJ/mol", 0.0)):
        with pytest.raises(FelError):
            energy_unit(name, temperature)
