# Everything a person can do here. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
ROWS ?= 30000
SEED ?= 7
SCALE ?= 1
RAW ?= data/raw-$(ROWS)-$(SEED)
# What is in a folder that somebody has named may be a real delivery.
REPLACE = $(if $(filter file,$(origin RAW)),--force)
LAKE ?= data/lake
DASHBOARD ?= data/painel.html
PREFIX ?=
STACK ?= $(PREFIX)client-health
DEPLOYED = --stack $(STACK) $(if $(PREFIX),--prefix $(PREFIX)) $(if $(REGION),--region $(REGION)) $(if $(YES),--yes) $(if $(FORCE),--force $(FORCE))
JAVA_HOME_17 = $(shell $(PYTHON) tools/java_home.py)
ENV = env JAVA_HOME="$(JAVA_HOME_17)"

# A run is a dozen processes that load the same modules, and the tests start hundreds: what is
# compiled once is kept, also where the environment says otherwise, as in containers.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup run test test-fast bench bench-check e2e chain-parts deploy promote drift undeploy smoke lint format notebook notebook-outputs pictures docs sample-data wheels lock clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

setup: $(STAMP) ## Install everything into .venv, versions locked

$(STAMP): pyproject.toml jobs/pyproject.toml $(wildcard lib/*/pyproject.toml) locks/dev.txt locks/bootstrap.txt locks/build.txt tools/setup_environment.py
	@$(PYTHON) tools/setup_environment.py --venv $(VENV)

sample-data: $(STAMP) ## Write the three sample files: ROWS=30000 SEED=7 RAW=folder
	@test -e $(RAW)/.complete || { $(BIN)/client-health sample-data --rows $(ROWS) --seed $(SEED) --out $(RAW) $(REPLACE) && touch $(RAW)/.complete; }

run: sample-data ## Run the three notebooks on sample data into LAKE=data/lake, and draw the dashboard
	@$(ENV) $(BIN)/client-health run --raw $(RAW) --lake $(LAKE)
	@$(BIN)/client-health dashboard --lake $(LAKE) --out $(DASHBOARD)

e2e: $(STAMP) chain-parts ## Run the whole AWS chain here: three uploads become a published table
	@$(ENV) $(BIN)/python -m infra.show_chain

# What only the chain and its tests need: emulator, template scanners, SAM CLI, reader of
# data contracts, what AWS Glue has installed,
# Spark's jars for s3://, and a Python Shell for the job where it can be made.
chain-parts: $(STAMP)
	@$(BIN)/python tools/side_environment.py emulator scan sam glue contract
	@$(BIN)/python tools/python_shell.py
	@$(ENV) $(BIN)/python -m glue_local.prepare --all

deploy: $(STAMP) ## Create or update the AWS chain: REGION=sa-east-1 PARAMETERS="AlarmEmail=you@example.com" TAGS="CostCenter=1"
	@$(BIN)/python tools/side_environment.py sam
	@$(BIN)/python -m infra.deploy deploy $(DEPLOYED) $(foreach given,$(PARAMETERS),--parameter $(given)) $(foreach given,$(TAGS),--tag $(given))

promote: $(STAMP) ## Deploy exactly what another environment has: FROM=dev- TO=test- REGION=sa-east-1 VERSION=0.2.0-1a2b3c4d5e
	@$(BIN)/python -m infra.deploy promote --from "$(FROM)" --prefix "$(TO)" $(if $(VERSION),--version $(VERSION)) $(if $(REGION),--region $(REGION)) $(if $(YES),--yes) $(if $(FORCE),--force $(FORCE))

drift: $(STAMP) ## Show what was changed past CloudFormation: REGION=sa-east-1
	@$(BIN)/python -m infra.deploy drift --stack $(STACK) $(if $(PREFIX),--prefix $(PREFIX)) $(if $(REGION),--region $(REGION))

undeploy: $(STAMP) ## Delete the AWS chain; what holds data is kept and named
	@$(BIN)/python -m infra.deploy undeploy $(DEPLOYED)

smoke: $(STAMP) $(if $(EMULATOR),chain-parts) ## Check on a throwaway AWS account what no emulator can show, and remove all of it: REGION=sa-east-1
	@$(BIN)/python tools/side_environment.py sam
	@$(ENV) $(BIN)/python -m infra.smoke $(if $(REGION),--region $(REGION)) $(if $(PREFIX),--prefix $(PREFIX)) $(if $(YES),--yes) $(if $(KEEP),--keep) $(if $(REMOVE),--remove) $(if $(EMULATOR),--emulator)

test: $(STAMP) lint chain-parts ## Run every check and every test
	@$(ENV) $(BIN)/python -m pytest -n 5 --dist loadscope --no-loadscope-reorder

test-fast: $(STAMP) ## Run the unit tests that need no JVM, no service and no network: for the edit loop
	@$(BIN)/python tools/side_environment.py scan
	@$(BIN)/python -m pytest -n 2 --fast tests/unit tests/infra

bench: $(STAMP) ## Compare with the first version's way and with DuckDB; write docs/performance.md: SCALE=10
	@$(ENV) $(BIN)/python -m benchmarks.run --scale $(SCALE)

bench-check: $(STAMP) ## Count a run's jobs, scans, bytes, calls against benchmarks/counts.json: WRITE=1
	@$(ENV) $(BIN)/python -m benchmarks.check $(if $(WRITE),--write)

lint: $(STAMP) ## ruff, formatting, mypy --strict, Python 3.9 validity
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/vermin --quiet --no-tips --eval-annotations -t=3.9- lib/register_contract lib/strict_glue lib/register_run jobs/job_client_health.py infra/start_job.py

format: $(STAMP) ## Format code and notebooks
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format .

notebook: $(STAMP) ## Open the notebooks in JupyterLab on local sessions, as in Glue Studio
	@$(ENV) $(BIN)/client-health notebook

pictures: $(STAMP) ## Take the READMEs' pictures again, with Chromium
	@$(ENV) $(BIN)/python -m tools.pictures

notebook-outputs: $(STAMP) ## Make the committed notebook outputs again
	@$(ENV) $(BIN)/python tools/notebook_outputs.py

docs: $(STAMP) ## Generate the tables and pages of READMEs and docs from the code
	@$(BIN)/python -m tools.reference_tables
	@$(BIN)/python -m tools.errors_page
	@$(BIN)/python -m tools.reliability_page
	@$(BIN)/python -m tools.owner_files

wheels: $(STAMP) ## Build a wheel of each package into dist/
	@$(BIN)/python tools/build_wheels.py --out dist

lock: ## Resolve the locked versions again
	@$(BIN)/python tools/lock.py

clean: ## Remove the environment, sample data and lakes
	rm -rf $(VENV) .venv-emulator .venv-scan .venv-sam .venv-glue .venv-contract data dist
