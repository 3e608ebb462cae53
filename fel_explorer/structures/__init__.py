"""Frames out: representatives, superposition, structures from features, export."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "comparison": ["ComparisonCancelled", "compare", "distributions"],
        "export": ["export_frames"],
        "feature_atoms": ["atom_values", "feature_atoms", "largest_on_atoms"],
        "measurement": ["MeasurementCancelled", "measure", "measurement_name"],
        "notebook": ["to_nglview"],
        "paths": ["Path", "Space", "barriers", "find_path", "path"],
        "pdb": ["pdb_text", "read_pdb"],
        "reconstruction": ["Reconstruction", "reconstruct"],
        "medoids": ["Representatives", "representatives", "state_representatives"],
        "observable_base": ["Observable", "register_observable"],
        "observation": ["ObservablesCancelled", "applicable", "list_observables", "observables"],
        "soundness": ["soundness"],
        "state_statistics": ["state_observables"],
        "alignment": ["principal_view", "superpose"],
    },
)
