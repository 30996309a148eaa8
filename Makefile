# Two commands: `make demo` (tables and figures of the embedded sample) and `make test`.
# Before a long run: `make plan PRESET=paper CORES=16 GPUS=2` says what it would cost.
# Both first make .venv where it is missing or older than the pins. Another Python than python3:
# make demo PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/installed

.PHONY: demo plan test test-fast mutants attack lint docs rulegraph clean-reports clean-results clean \
	leftovers clean-leftovers

demo: $(READY)
	@$(BIN)/snakemake --cores all --quiet host rules reason
	@echo "Tables and figures are in reports/: start with reports/table3.md"

# Runs nothing: jobs, hours, disk and download of a run on one screen. All four may be left out:
# TARGETS (files or rules), PRESET, CORES and GPUS of the machine or cluster that will compute.
plan: $(READY)
	@$(BIN)/snakemake $(TARGETS) --dry-run --logger plan --cores $(or $(CORES),all) \
		$(if $(PRESET),--config preset=$(PRESET)) $(if $(GPUS),--resources gpu=$(GPUS))

# A file's tests stay in one process, which shares its fixtures; each process computes with one
# thread, so that neither cores nor the small machines' memory are fought for.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

test: $(READY)
	@$(PYTEST)

test-fast: $(READY)
	@$(PYTEST) -m "not slow"

# Plants mistakes into the code, one at a time, and says which test notices: about half an hour.
mutants: $(READY)
	@$(BIN)/python tests/mutants/run.py

# Hostile values at every leaf of the config, and damage to every kind of file: some minutes.
attack: $(READY)
	@for program in tests/attack_*.py; do \
		echo $$program; OMP_NUM_THREADS=1 $(BIN)/python $$program || exit 1; done

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile rules
	@$(BIN)/snakemake --lint

# The numbers in the documents that are counted or read from elsewhere (marked with `from:`).
docs: $(READY)
	@$(BIN)/python -m tools.docs_numbers

# The picture in the README, without the arrows to `all`; needs Graphviz.
rulegraph: $(READY)
	@$(BIN)/snakemake --forceall --rulegraph | grep -v -e '"all"' -e '-> 0$$' | \
		dot -Tpng -Granksep=0.35 -Gnodesep=0.2 -o docs/rulegraph.png

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the pinned requirements into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Tables and figures alone: they come back in seconds.
clean-reports:
	rm -rf reports

# Everything that was computed: it has to be trained again.
clean-results: clean-reports
	rm -rf results logs .snakemake

# What killed writes and superseded runs left: listed, or removed. PRESET as for `plan`.
leftovers clean-leftovers: $(READY)
	@$(BIN)/python workflow/scripts/find_leftovers.py $(if $(PRESET),--preset $(PRESET)) \
		$(if $(filter clean-%,$@),--remove)

clean: clean-results
	rm -rf .venv
