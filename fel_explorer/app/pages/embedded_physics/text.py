"""Texts of the page on its pictures and curves."""

SAMPLES = (
    "Samples of the model: one dot for each structure, in the colour of its state. White: lines of "
    "equal z. Pink: structures at the clicked z. At the end of the training, larger dots have more "
    "weight."
)
CV = (
    "z are the latent variables, normally distributed (dashed). Colours: state of the decoded "
    "structure. Click to see the structure there."
)
TEMPERATURE = (
    "Training starts at a high temperature, where barriers are low, and cools down to the requested "
    "temperature (dashed)."
)
STRUCTURE = "Structure decoded at the clicked z; faint: other structures generated there."
NUMBERS = "Populations and averages; the slider reweights them to another temperature without training again."
ABOUT = {
    "samples": SAMPLES,
    "cv": CV,
    "temperature": TEMPERATURE,
    "structure": STRUCTURE,
    "numbers": NUMBERS,
}

CURVES = {
    "Quality": "Effective sample size: the fraction of the model's samples that count as samples of the "
    "Boltzmann distribution at the model's present temperature. 1 is perfect.",
    "Distance": "Kullback-Leibler divergences from the Boltzmann distribution; 0 is perfect. KL(q‖p) is "
    "hardly sensitive to a missing state, KL(p‖q) is.",
    "Energy": "Average energy of the samples, in kT of the requested temperature.",
}

DRAWN = (
    "Unweighted samples of the model. At another temperature than that of the training: weighted by the "
    "energies that the model implies (Schöberl et al. 2020, Eqs. 40 and 41)."
)
WEIGHTED = (
    "Each sample counts by how likely the force field says it is, over how often the model makes it. This "
    "corrects the model, if enough samples count; behind it the statistical error."
)
EXACT = "By quadrature over a fine grid."
