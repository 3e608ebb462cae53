"""Choice of a method: three questions, and a table of answers.

The statements on each method are claims of its authors or results of our benchmarks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

HAVE = {
    "trajectories": "Trajectories of ordinary molecular dynamics",
    "biased": "Biased simulations (metadynamics, umbrella sampling), with a weight for each frame",
    "structures": "Structures without a time order (replica exchange, a database)",
    "energy": "Only a force field, or another energy function",
}
WANT = {
    "states": "Metastable states and their lifetimes",
    "coordinates": "Slow collective variables and their time scales",
    "map": "A quick map of the data",
    "structures": "New structures, or trajectories longer than mine",
    "bias": "A collective variable to bias further simulations along",
}
KNOWN = {
    "nothing": "Nothing yet",
    "often": "It occurs many times in my data",
    "rarely": "It occurs only a few times, or I have fewer than about 10,000 frames",
    "labels": "I know the states and can label frames of each",
}
QUESTIONS = {
    "have": ("What do you have?", HAVE),
    "want": ("What do you want?", WANT),
    "known": ("What do you know about the slow process?", KNOWN),
}


@dataclass(frozen=True)
class Advice:
    """A method, the reason for it, and its limits.

    Attributes
    ----------
    method
        Its name, among `methods.registry.list_models`.
    reason, limits
        Two sentences why; what not to expect of it.
    parameters
        Values to begin with, where they are not the defaults; the lag is fitted to the data.
    elsewhere
        Where it is trained, if not in the Model panel; then ``form`` is what to choose there, or ''.
    code
        Python that does it, where it is trained elsewhere.
    """

    method: str
    reason: str
    limits: str
    parameters: dict = field(default_factory=dict)
    elsewhere: str = ""
    form: str = ""
    code: str = ""

    @property
    def in_form(self) -> str:
        """Method for the Model panel: the advised one, or the one to begin with; '' for none."""
        return self.form if self.elsewhere else self.method


ADVICE = {
    "IDM": Advice(
        "IDM",
        "It learns the map and the states together, and finds their number itself. On alanine "
        "dipeptide it found the states that the time scales predict in each of five seeds.",
        "States that live shorter than the lag are joined, and one far below 1 % may be missed in "
        "some seeds: then divide with DivisiveIDM.",
    ),
    "rare states": Advice(
        "DivisiveIDM",
        "It trains inside each state again at ever shorter lags, where a rare state is no longer "
        "rare. On alanine dipeptide that gave the same tree in each of five seeds, a state of 0.6 % "
        "included.",
        "It trains six to twelve models, which takes minutes, and can't make up for transitions that "
        "were hardly seen: look at the intervals of the lifetimes.",
    ),
    "SPIB": Advice(
        "SPIB",
        "It begins with your labels and redraws them until each frame has the state that it is most "
        "probably in a lag later, so that states which are left sooner join others. On alanine dipeptide it "
        "came, even from KMeans clusters, to the states that IDM finds, in every seed.",
        "It finds no state that the labels don't have; IDM, which needs none, does. Name the column of your "
        "labels in the form.",
        {"label_column": "basin"},
    ),
    "SRV": Advice(
        "SRV",
        "A network finds the slowest modes that your features resolve, and their time scales. On "
        "alanine dipeptide it found 142 and 7.2 ps, where a fine Markov model says 146 and 7.3 and "
        "TICA 42 and 7.1.",
        "It makes no states (train PCCA on its embedding for those) and overfits when "
        "transitions are few: look at Modes, Best lag.",
        {"n_dims": 3},
    ),
    "SRV to bias": Advice(
        "SRV",
        "The slowest mode is what a simulation has to be helped along. It is differentiable, and "
        "Export writes it for PLUMED.",
        "What never happened in the data it can't know, so that a bias along it may find other "
        "barriers: train again on what you sampled.",
        {"n_dims": 2},
    ),
    "TICA": Advice(
        "TICA",
        "It takes seconds, has one setting, and being linear it overfits less than "
        "networks do on few transitions. Slow directions come first, where PCA shows the largest "
        "ones.",
        "Slow modes that are no straight line in the features look too fast: on alanine dipeptide 42 "
        "ps instead of 146.",
        {"n_dims": 3},
    ),
    "DiffusionMap": Advice(
        "DiffusionMap",
        "It needs no time: frames are near if a walk over similar frames passes easily between them. "
        "With alpha = 1 the map does not depend on how densely each place was sampled.",
        "No time scales and no lifetimes, and what differs much but moves fast counts as much as what "
        "is slow.",
        {"alpha": 1.0},
    ),
    "slow without time": Advice(
        "DiffusionMap",
        "With alpha = 1/2 it approximates the slow modes of overdamped dynamics from structures "
        "alone. Their order is that of slowness if the structures are drawn as at equilibrium.",
        "Its time scales are in steps of a random walk, not in ps, and features that are no "
        "coordinates distort them.",
        {"alpha": 0.5, "n_dims": 3},
    ),
    "states without time": Advice(
        "KMeans",
        "Without true times nothing says how long states live, so that frames can only be grouped by "
        "similarity. Train a DiffusionMap first and choose it under 'On the embedding of'.",
        "It needs the number of states, its borders may cut through wells, and lifetimes shown for it "
        "mean nothing where frames have no true time.",
        {"n_states": 4},
    ),
    "generator": Advice(
        "Eigenfunctions",
        "Its generator form needs gradients and weights instead of times, and so bears biased "
        "sampling. On Müller-Brown its first three rates were within 2.3 % of the reference.",
        "The rates hold for overdamped dynamics with the given diffusion coefficients. For molecules "
        "it needs the coordinates too, which only Python gives it: fit(data, positions=...).",
        {"operator": "generator"},
    ),
    "variational": Advice(
        "Autoencoder",
        "Its decoder draws features, and structures from them, at any place of the map, between the "
        "frames too. The variational form fills the gaps smoothly and needs no times.",
        "It follows the largest motions, not the slowest, and gives structures one by one: no "
        "trajectories, and no Boltzmann weights.",
        {"variational": True},
    ),
    "autoencoder to bias": Advice(
        "Autoencoder",
        "It needs neither times nor labels, uses weights, and can be trained again after each round "
        "of biased sampling. Its CV is differentiable, and Export writes it for PLUMED.",
        "It follows the largest motions, which need not be the slow ones: look whether the states of "
        "interest lie apart on the map before you bias.",
        {"n_dims": 2},
    ),
    "MultitaskCV": Advice(
        "MultitaskCV",
        "It learns the coordinate from which the state and the potential energy are predicted, so that "
        "frames from each state and from between them are enough: no long trajectory is needed. In "
        "the published test (Sun et al. 2022) the barrier along it was .94 eV, where .89 is true.",
        "It needs columns of labels and energies, and knows no time scales; transitions that no frame "
        "shows are guessed.",
        {"n_dims": 1},
    ),
    "simulator": Advice(
        "LatentSpaceSimulator",
        "It learns to move in the slow modes of your data and draws the structures there: thousands "
        "of trajectories at once, each as long as you like. Its encoder is SRV, which you can train "
        "and assess first.",
        "Its kinetics and states are those of the data: what was not seen is not found. Read its "
        "report before you believe its time scales.",
        {"n_dims": 3},
        elsewhere="in Simulate, below the map, once SRV is trained",
        form="SRV",
        code="simulator = fel.LatentSpaceSimulator(lag_time=10.0, n_dims=3).fit(data, trajs)\n"
        "longer = simulator.simulate(100_000, n_trajectories=10)",
    ),
    "EmbeddedPhysics": Advice(
        "EmbeddedPhysics",
        "It learns from the energy alone: coordinates, and samples with weights, without a single "
        "trajectory. On the double well it kept the rare side (weight .006 to .0075; exactly .0083).",
        "No time scales. For molecules of more than a few dozen atoms run simulations instead: even "
        "for alanine dipeptide only 3 % of its samples count.",
        {"n_dims": 2},
        elsewhere="on the page that `fel-explorer physics` opens",
        code="system = fel.systems.DoubleWell()  # or fel.systems.ForceField(openmm_system, ...)\n"
        "model = fel.EmbeddedPhysics(system).fit()",
    ),
}

# the first row that fits counts; None fits every answer: (have, want, known) -> key of ADVICE
TABLE = (
    (("energy", "bias", "labels"), "MultitaskCV"),
    (("energy", None, None), "EmbeddedPhysics"),
    ((None, "bias", "labels"), "MultitaskCV"),
    (("trajectories", "states", "rarely"), "rare states"),
    (("trajectories", "states", "labels"), "SPIB"),
    (("trajectories", "states", None), "IDM"),
    (("trajectories", "coordinates", "rarely"), "TICA"),
    (("trajectories", "coordinates", None), "SRV"),
    (("trajectories", "map", "often"), "IDM"),
    (("trajectories", "map", None), "TICA"),
    (("trajectories", "structures", "rarely"), "variational"),
    (("trajectories", "structures", None), "simulator"),
    (("trajectories", "bias", "rarely"), "TICA"),
    (("trajectories", "bias", None), "SRV to bias"),
    ((None, "states", None), "states without time"),
    (("biased", "coordinates", None), "generator"),
    ((None, "coordinates", None), "slow without time"),
    ((None, "map", None), "DiffusionMap"),
    ((None, "structures", None), "variational"),
    ((None, "bias", None), "autoencoder to bias"),
)


def advise(have: str, want: str, known: str) -> Advice:
    """The advice for three answers, keys of `HAVE`, `WANT` and `KNOWN`."""
    answers = (have, want, known)
    for wanted, key in TABLE:
        if all(one in (None, answer) for one, answer in zip(wanted, answers, strict=True)):
            return ADVICE[key]
    raise KeyError(answers)
