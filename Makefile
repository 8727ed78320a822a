# Needs make, Python 3.11 or newer and its `venv` module; everything else goes into $(VENV).
#
#   make test EXTRAS=cuda    also installs the extra `cuda`, for a machine with a GPU
#   make demo PYTHON=...     another interpreter for a new environment

VENV   ?= .venv
EXTRAS ?=
BIN    := $(VENV)/bin
PYTHON ?= $(firstword $(foreach p,python3.13 python3.12 python3.11 python3,\
            $(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
              >/dev/null 2>&1 && echo $(p))))

# Installing an extra leaves a stamp, so that it is done again only if pyproject.toml changes.
demo_env := $(addprefix $(VENV)/.installed-,demo $(EXTRAS))
test_env := $(addprefix $(VENV)/.installed-,test $(EXTRAS))

.DEFAULT_GOAL := help
.PHONY: help demo test lint types format clean
.NOTPARALLEL:
.PRECIOUS: $(VENV)/.installed-%

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: $(demo_env)  ## run the demonstration; its files are in out/
	$(BIN)/vitrify demo --out out

test: lint types  ## check style and types, then run the tests
	$(BIN)/python -m pytest -n auto

lint: $(test_env)  ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(test_env)  ## check types
	$(BIN)/basedpyright --pythonpath $(BIN)/python

format: $(test_env)  ## put imports and layout in order
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

clean:  ## remove the environment and all that was built
	rm -rf $(VENV) build dist *.egg-info out .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "Vitrify needs Python 3.11 or newer; python3 is" \
	  "$$(python3 --version 2>/dev/null || echo missing). Name another: make PYTHON=..." >&2; exit 1; }
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "No environment could be made: is the" \
	  "module venv there? (On Debian: apt install python3-venv.)" >&2; exit 1; }
	@touch $@

$(VENV)/.installed-%: pyproject.toml $(VENV)/.created
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$*]'
	@touch $@
