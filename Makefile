# du-infra: the same tasks for people and for CI. `make help` lists them.
SHELL := /bin/sh
REGION ?= home
FLEET ?= $(or $(DU_FLEET),fleet.yaml)
GTM ?= examples/gtm/fleet.yaml
DU := .venv/bin/du-infra
WORKERS := -n auto --dist loadscope
YESFLAG := $(if $(filter 1 yes true,$(YES)),--yes)

.DEFAULT_GOAL := help
.PHONY: help program setup venv-dev setup-dev region-up region-down region-scale region-reboot region-upgrade region-status region-plan release gtm-up control-up gtm-down sample-images local-down test test-fast lint format faults bench verify-k3s clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  REGION=$(REGION)  FLEET=$(FLEET)  YES=1 answers every question"

program:
	@scripts/bootstrap

setup:
	@scripts/bootstrap
	@$(DU) doctor --fix --yes --quiet

venv-dev:
	@scripts/bootstrap dev

setup-dev: venv-dev
	@$(DU) doctor --fix --yes --quiet --for traffic --for browser --for postgres

region-up: setup ## Bring REGION up; run it again at any time
	@$(DU) region up $(REGION) --fleet $(FLEET) $(YESFLAG)

region-down: setup ## Destroy REGION's machines and forget it (asks)
	@$(DU) region down $(REGION) --fleet $(FLEET) $(YESFLAG)

region-scale: setup ## Have REGION consist of NODES nodes (asks)
	@$(DU) region scale $(REGION) "$(NODES)" --fleet $(FLEET) $(YESFLAG)

region-reboot: setup ## Reboot every node of REGION, one at a time (asks)
	@$(DU) region reboot $(REGION) --fleet $(FLEET) $(YESFLAG)

region-upgrade: setup ## Bring the packages of every node of REGION up to date, one at a time (asks)
	@$(DU) region upgrade $(REGION) --fleet $(FLEET) $(YESFLAG)

region-status: program ## Nodes, services, readiness of REGION
	@$(DU) region status $(REGION) --fleet $(FLEET)

region-plan: program ## What region-up would do
	@$(DU) region plan $(REGION) --fleet $(FLEET)

release: setup ## Release SERVICE at TAG in REGION, watched (asks); OBSERVE= CANARY= BATCH= HOLD=1 override
	@$(DU) release start "$(SERVICE)" "$(TAG)" --region $(REGION) --fleet $(FLEET) $(YESFLAG) $(if $(OBSERVE),--observe $(OBSERVE)) \
	  $(if $(CANARY),--canary $(CANARY)) $(if $(BATCH),--batch $(BATCH)) $(if $(filter 1 yes true,$(HOLD)),--hold)

gtm-up: setup ## Three regions behind one DNS name, on this machine; GTM= another fleet file with traffic:
	@.venv/bin/python -m scripts.gtm up $(GTM)

control-up: setup ## The loop that minds them, in the background, with its page
	@.venv/bin/python -m scripts.gtm control-up $(GTM)

gtm-down: setup ## Both away again
	@.venv/bin/python -m scripts.gtm down $(GTM)

sample-images: setup ## Make the sample images again and push them to the local registry
	@$(DU) sample-images --force

local-down: setup ## Take the local cloud away: daemon, bridge, image, registry (asks)
	@$(DU) local down $(YESFLAG)

test: setup-dev ## All tests, on real nodes too
	.venv/bin/pytest $(WORKERS) --durations=25

test-fast: venv-dev ## The tests that need no node
	.venv/bin/pytest $(WORKERS) -m "not lxd"

lint: venv-dev ## Everything that can be checked without running it
	@scripts/lint

format: venv-dev ## Bring the code into its form
	.venv/bin/ruff check -q --fix-only .
	.venv/bin/ruff format -q .

faults: setup-dev ## Every fault at every step of a release, bad releases, a pool in every kind of trouble (many hours)
	DU_FAULTS=all .venv/bin/pytest -s tests/faults tests/region/test_observation.py tests/region/test_du_node_rollout.py tests/region/test_release_deaths.py

bench: setup-dev ## Measure the goals on this machine; docs/performance.md has the results
	.venv/bin/python -m bench

verify-k3s: setup-dev ## Use a region with K3s's own binary, which is downloaded, and report; ARGS="--from DIR --version V"
	.venv/bin/python -m bench.k3s.verify $(ARGS)

clean: ## Forget caches and builds (not the regions)
	rm -rf dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
