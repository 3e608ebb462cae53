"""Texts on molecules, against formulas of textbooks."""

import mdtraj

import fel_explorer as fel
from fel_explorer.data.molecule_names import molecule_text


def test_alanine_dipeptide_is_named_with_its_formula():
    assert molecule_text(fel.sample_data("alanine-dipeptide").topology) == "ACE-ALA-NME, C6H12N2O2"


def topology_of(*chains):
    topology = mdtraj.Topology()
    for names in chains:
        chain = topology.add_chain()
        for name, symbols in names:
            residue = topology.add_residue(name, chain)
            for number, symbol in enumerate(symbols):
                topology.add_atom(f"{symbol}{number}", mdtraj.element.Element.getBySymbol(symbol), residue)
    return topology


def test_solvent_is_counted_apart_and_equal_chains_once():
    water, sodium = ("HOH", "OHH"), ("NA", ["Na"])
    benzene = [("BEN", "CCCCCCHHHHHH")]
    text = molecule_text(topology_of(benzene, benzene, [water, water, sodium]))
    assert text == "2 x BEN, C12H12 in 2 water and 1 NA"
    assert molecule_text(topology_of([water] * 3)) == "3 water"


def test_a_long_chain_is_named_by_its_ends():
    chain = [("GLY", "NCCO")] * 8 + [("ALA", "NCCOC")]
    assert molecule_text(topology_of(chain)) == "protein of 9 residues (GLY ... ALA), without hydrogens"
