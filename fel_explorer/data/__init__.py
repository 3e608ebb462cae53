"""Trajectory files, per-frame columns, and the dataset: its schema and its storage."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["columns", "schema", "store", "trajectories"],
    submod_attrs={
        "cache": ["cache_directory"],
        "columns": ["attach_columns"],
        "formulas": ["add_column"],
        "frame_values": ["values_of"],
        "labels": ["label_by_boxes", "label_by_states"],
        "regions": ["in_box", "in_polygon"],
        "samples": ["sample_data"],
        "schema": ["as_dataset"],
        "store": [
            "files_of",
            "open_dataset",
            "positions_of",
            "save_dataset",
            "trajectories_of",
            "write_columns",
        ],
        "trajectories": ["TrajectorySet", "load_trajectories"],
    },
)
