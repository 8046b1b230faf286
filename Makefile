# make demo | make test | make ui       (PROFILE=name or path of a profile file)
PYTHON  ?= $(shell command -v python3.11 || command -v python3)
PROFILE ?= demo
VENV    := .venv
BIN     := $(VENV)/bin

export CAREBOT_PROFILE := $(PROFILE)
export DAGSTER_HOME    := $(CURDIR)/.carebot/dagster
export HF_HUB_OFFLINE  ?= 1
export TOKENIZERS_PARALLELISM := false
# Threads that spin while they wait cost more than they save on a shared machine.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test ui report clean

demo: $(VENV)/.demo
	@$(BIN)/carebot run

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

ui: $(VENV)/.demo
	@$(BIN)/carebot init
	PYTHONWARNINGS=ignore $(BIN)/dagster dev -h 127.0.0.1 -p 3000 -w workspace.yaml

report: $(VENV)/.demo
	@$(BIN)/carebot report

clean:
	rm -rf .carebot

$(VENV)/bin/pip:
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, {sys.executable} is {v.major}.{v.minor}; name another with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
