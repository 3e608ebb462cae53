"""A repair is used with the versions that it is for, else the log says that it is not."""

import importlib
import pkgutil
from importlib.metadata import version

import pytest

from fel_explorer.app import workarounds
from fel_explorer.app.workarounds import versions
from fel_explorer.app.workarounds.versions import is_for, only_for

MODULES = [module.name for module in pkgutil.iter_modules(workarounds.__path__) if module.name != "versions"]


def test_requirements_are_compared_with_the_installed_version():
    assert is_for(f"bokeh=={version('bokeh')}")
    assert not is_for("bokeh<1.0")


def test_a_guarded_function_does_nothing_with_other_versions(caplog):
    calls = []

    @only_for("bokeh<1.0", "panel>=0.1")
    def install():
        calls.append(1)

    with caplog.at_level("WARNING", logger=versions.log.name):
        install()
        install()
    assert calls == []
    [record] = caplog.records
    assert "is for bokeh<1.0; it is not used with bokeh" in record.getMessage()


@pytest.mark.parametrize("name", MODULES)
def test_every_repair_is_guarded_by_versions_that_are_installed(name):
    module = importlib.import_module(f"{workarounds.__name__}.{name}")
    guarded = [value for value in vars(module).values() if hasattr(value, "requirements")]
    assert guarded, "guard what changes a library by `only_for`"
    assert all(is_for(requirement) for function in guarded for requirement in function.requirements)
    assert module.__doc__.startswith("Repair of ")
    assert "pstream" in module.__doc__, "name the upstream issue, or say that none is known"
