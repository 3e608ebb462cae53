# Two commands from a fresh clone: `make demo` opens the app on the sample data, `make test` runs every test.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# a process a core, each with one thread; browser stories have a server and a browser each and go one by one
UNIT := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not ui" -n auto --dist loadfile
COVERAGE := --cov --cov-report=term

.PHONY: demo test test-newest unit stories docs lint gallery wheel dist clean

$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@ $(VENV)/.demo

ROOT ?= $(HOME)
demo: $(VENV)/.demo  ## install, then open the app on the sample data (NO_BROWSER=1: only print the address); ROOT=folder of one's own data
	$(BIN)/fel-explorer demo --root "$(ROOT)"

test: $(VENV)/.test lint  ## install, then run all tests, the browser stories included
	$(UNIT) $(COVERAGE)
	$(MAKE) stories

unit: $(VENV)/.test  ## all tests but those that need a browser
	$(UNIT)

stories: $(VENV)/.test  ## the browser stories
	PYTHON=$(BIN)/python tests/ui/install_chromium.sh
	$(BIN)/python -m pytest -m ui

# the newest drawing libraries, development versions too, beside the other packages as they are pinned
NEWEST ?= .venv-newest
DRAWING := panel panel-material-ui bokeh holoviews param pyviz-comms
test-newest:  ## the tests of app and plots with the newest panel, bokeh and HoloViews, in an environment of its own (NEWEST=folder)
	$(PYTHON) -m venv $(NEWEST)
	grep -vE '^(panel|panel-material-ui|bokeh|holoviews|param|pyviz_comms)==' constraints.txt > $(NEWEST)/others.txt
	$(NEWEST)/bin/pip install --quiet --constraint $(NEWEST)/others.txt --editable '.[test]'
	$(NEWEST)/bin/pip install --quiet --pre --upgrade --no-deps $(DRAWING)
	OMP_NUM_THREADS=1 $(NEWEST)/bin/python -m pytest -m "not ui" tests/plots tests/app --ignore=tests/app/workarounds/test_versions.py $(TESTS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/repo-review .

$(VENV)/.docs: pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@

docs: $(VENV)/.docs  ## the documentation, as HTML in build/docs; its notebooks are run
	$(BIN)/python -m sphinx -b html -W --keep-going -q docs build/docs
	$(BIN)/python docs/extensions/check_links.py build/docs

gallery: $(VENV)/.test  ## take the pictures of docs/gallery anew
	PYTHON=$(BIN)/python tests/ui/install_chromium.sh
	$(BIN)/python docs/gallery.py

wheel: $(VENV)/.test
	$(BIN)/python -m build --wheel

dist: $(VENV)/.test  ## wheel and source archive
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build dist docs/reference/generated
