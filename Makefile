# Each target sets up all it needs in .venv by itself: one pip command, versions from constraints.txt.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
RECIPE ?= resnet50-tiny
# A file of tests stays in one process, for what its tests share; tests/conftest.py puts the longest first.
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder
# The tests start hundreds of processes, of which each would compile all of tinyc anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: compress test test-long coverage orders lint clean
.DEFAULT_GOAL := test

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "tinyc: $(PYTHON) is missing; install CPython 3.11 and its venv module"; exit 3; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,text,signal,federate,privacy]"
	@touch $@

compress: $(READY)
	@$(VENV)/bin/tinyc compress $(RECIPE) $(foreach pair,$(SET),--set '$(pair)') $(ARGS)

test: $(READY)
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest $(WORKERS) $(ARGS)

test-long: $(READY)
	TINYC_TEST_LONG=1 $(VENV)/bin/python -m pytest $(WORKERS) -m "" $(ARGS)

# Lines of tinyc/ that the tests run, workers and commands that they start included; the fewest first.
coverage: $(READY)
	$(VENV)/bin/coverage erase
	$(VENV)/bin/coverage run -m pytest $(WORKERS) $(ARGS); code=$$?; $(VENV)/bin/coverage report && exit $$code

# docs/orders.md anew, from running every order of two passes.
orders: $(READY)
	cd tests && ../$(VENV)/bin/python -m support.composition

lint: $(READY)
	$(VENV)/bin/ruff check --fix . && $(VENV)/bin/ruff format . && $(VENV)/bin/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage*
