"""What the page says of its pictures and curves, in plain words."""

SAMPLES = (
    "What the model makes now: one dot a structure, in the colour of its state. White: where the "
    "model puts equal z. Pink: what it puts at the clicked z. At last "
    "larger dots have more weight."
)
CV = (
    "z are the hidden numbers from which the model makes a structure, normally distributed (dashed). "
    "Colours: the state it lands in. Click to see the structure there."
)
TEMPERATURE = (
    "The model begins hot, where barriers are low and every state is found, and is cooled to the temperature "
    "asked for (dashed)."
)
STRUCTURE = (
    "The structure that the model decodes at the clicked z, and faintly some others that it puts there."
)
NUMBERS = "Populations and averages; the slider reweights them to another temperature without learning anew."
ABOUT = {
    "samples": SAMPLES,
    "cv": CV,
    "temperature": TEMPERATURE,
    "structure": STRUCTURE,
    "numbers": NUMBERS,
}

CURVES = {
    "Quality": "Effective sample size: the share of the model's samples that count as samples of the "
    "Boltzmann distribution at the model's present temperature. 1 is perfect.",
    "Distance": "Kullback-Leibler divergences from the Boltzmann distribution asked for; 0 is perfect. "
    "KL(q‖p) hardly sees a missing state, KL(p‖q) does.",
    "Energy": "Average energy of what the model makes, in kT of the temperature asked for.",
}

DRAWN = (
    "As the model makes them. At another temperature than it learned: weighted by the energies that the "
    "model implies (Schöberl et al. 2020, Eqs. 40 and 41)."
)
WEIGHTED = (
    "Each sample counts by how likely the force field says it is, over how often the model makes it. This "
    "corrects the model, if enough samples count; behind it the statistical error."
)
EXACT = "By quadrature over a fine grid."
