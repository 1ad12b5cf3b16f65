# The two commands of the quick start are `make up` and `make test`; the others are for those who build the project.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
VENV := $(shell python3 tools/venv.py --path)
PYTHON := $(VENV)/bin/python
export PATH := $(VENV)/bin:$(PATH)
export PYTHONPATH := $(CURDIR)
# Where images come from: auto finds out, registry pulls the official ones, lab builds them from packages.
IMAGES ?= auto
TEST_WORKERS ?= 2
# chart-testing installs one scenario after the other: with the platform beside them it took half an hour.
ON_EMPTY_CLUSTER := tests/lab/test_chart_testing.py
TAKES_THE_LAB_APART := tests/lab/test_recovery.py

.PHONY: help venv venv-path tools test test-lab up down render lint bench drill

help: ## What there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

venv: ## The Python environment
	@command -v python3 >/dev/null || { echo "python3 (3.11 or newer) is missing. Debian: apt-get install python3 python3-venv"; exit 1; }
	@python3 tools/venv.py

venv-path:
	@echo $(VENV)

tools: venv ## Helm, chart-testing, kubeconform and the judges, found or built
	@$(PYTHON) -m tools install helm ct kubeconform kube-score
	@python3 tools/venv.py --judge

up: venv ## The platform on this computer: machines, Kubernetes, Custos
	@$(PYTHON) -m lab up
	@$(PYTHON) -m bootstrap apply inventories/lab.yaml --images $(IMAGES)

down: venv ## Remove everything that `make up` made
	@$(PYTHON) -m lab down
	@rm -rf -- "$${XDG_STATE_HOME:-$$HOME/.local/state}/custos-platform/custos-lab"

lint: venv tools
	@ruff check .
	@mypy
	@for chart in consul vault velero; do MYPYPATH=generator/blueprint/files:generator/blueprint/charts/$$chart/files \
	  mypy --explicit-package-bases generator/blueprint/charts/$$chart/files/*.py; done
	@MYPYPATH=generator/blueprint/files mypy --explicit-package-bases generator/blueprint/files/backup/*.py
	@yamllint --strict --config-file .yamllint .
	@shellcheck $$(git ls-files --cached --others --exclude-standard '*.sh') .ci/run
	@$(PYTHON) -m generator check values/prod.yaml

test: lint ## Everything that needs no cluster, in under five minutes once the tools are there
	@pytest -m "not lab" -n $(TEST_WORKERS) --dist loadfile

test-lab: venv tools ## Tests on real machines, a real group, the running lab; evidence of failures in test-results/
	@pytest -m lab tests/lab_machines
	@$(PYTHON) -m lab up
	@$(PYTHON) -m bootstrap apply inventories/lab.yaml $(addprefix --phase ,preflight machines cluster storage)
	@pytest $(ON_EMPTY_CLUSTER)
	@$(MAKE) --no-print-directory up
	@pytest -m "lab and not drill" tests/lab $(addprefix --ignore ,$(ON_EMPTY_CLUSTER))

drill: venv tools ## The long ones: every fault, store by store, then a restore to new machines
	@pytest -m lab tests/mysql tests/kafka
	@$(MAKE) --no-print-directory up
	@pytest -m drill tests/lab --ignore $(TAKES_THE_LAB_APART)
	@$(PYTHON) -m tests.drill
	@pytest -m drill $(TAKES_THE_LAB_APART)

render: venv ## Write charts/custos-platform from values/prod.yaml
	@$(PYTHON) -m generator render values/prod.yaml

bench: venv ## Benchmarks; results in docs/results/
	@$(PYTHON) -m tests.bench
