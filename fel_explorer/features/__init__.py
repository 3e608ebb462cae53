"""Features of molecules: kinds, featurizers that choose atoms, and the computation of a dataset."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["kinds", "names"],
    submod_attrs={
        "blocks": ["read_blocks"],
        "featurizer_base": ["Featurizer", "list_featurizers", "register_featurizer"],
        "featurizers": ["make_featurizers"],
        "featurization": ["FeaturizationCancelled", "featurize"],
        "kind_base": ["Constraints", "FeatureBlock", "FeatureKind", "list_kinds", "register_kind"],
        "molecular": ["MolecularFeatures"],
    },
)
