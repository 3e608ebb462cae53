"""A latent space simulator is trained on the map that is shown; what it simulates is played and exported."""

import re

import mdtraj
import pandas as pd
from conftest import settle
from playwright.sync_api import expect
from test_stories import LOAD, open_demo, save


def test_a_simulator_is_trained_played_and_exported(page, demo, tmp_path):
    open_demo(page, demo)
    page.get_by_role("button", name="Simulate", exact=True).click()
    expect(page.get_by_text("A simulator of the map.")).to_be_visible()
    for label in ("Propagator steps", "Decoder steps"):
        page.get_by_role("textbox", name=label, exact=True).click()
        page.keyboard.press("Control+a")
        page.keyboard.type("3")
        page.keyboard.press("Tab")
    page.get_by_role("button").filter(has_text="Train simulator").click()
    expect(page.get_by_text("Trajectories start at frames of the data.")).to_be_visible(timeout=2 * LOAD)
    page.get_by_role("button").filter(has_text=re.compile("Simulate$")).last.click()
    expect(page.get_by_text(re.compile("^Step 1 of 200, .*nearest frame"))).to_be_visible(timeout=LOAD)
    expect(page.get_by_text("Synthetic", exact=True)).to_be_visible()
    settle(page)
    page.get_by_role("slider", name="Shown trajectory").press("End")
    expect(page.get_by_text(re.compile("of synthetic trajectory 5"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button").filter(has_text=re.compile("^PDB$")).last.click()
    download.value.save_as(tmp_path / "synthetic.pdb")
    assert mdtraj.load(str(tmp_path / "synthetic.pdb")).n_frames == 200
    page.get_by_role("button", name="Report", exact=True).last.click()  # not that of the page
    page.get_by_role("button").filter(has_text="Compare with MD").click()
    expect(page.get_by_text("Time scale 1", exact=True)).to_be_visible(timeout=2 * LOAD)
    page.get_by_role("combobox").filter(has_text="Free energy along").click()
    page.get_by_role("menuitem", name="Chapman-Kolmogorov test").or_(
        page.get_by_role("option", name="Chapman-Kolmogorov test")
    ).first.click()
    settle(page)
    csv = save(page, "CSV", tmp_path)
    assert {"Time scale 1", "Radius of gyration"} <= set(pd.read_csv(csv)["quantity"])
