"""The choice of device: what exists, and that jobs get it."""

from devices import SimulatedDevice

from fel_explorer.app.widgets.device_select import DeviceSelect


def test_only_devices_that_exist_are_offered():
    assert DeviceSelect().options == ["auto", "cpu"]
    with SimulatedDevice(n_devices=2):
        select = DeviceSelect(value="cpu")
    assert select.options == ["auto", "cpu", "cuda:0", "cuda:1"]
    assert (select.label, select.value) == ("Device", "cpu")
