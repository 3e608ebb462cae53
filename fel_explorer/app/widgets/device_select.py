"""The choice of the device on which a job computes."""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui

from fel_explorer.devices import available_devices


class DeviceSelect(pmui.Select):
    """'auto', 'cpu' and the CUDA devices of the server's machine, labelled "Device"."""

    def __init__(self, **params: Any) -> None:
        given = {"label": "Device", "options": available_devices(), "size": "small", "width": 110}
        super().__init__(**given | params)
