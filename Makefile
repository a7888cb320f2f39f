# `make` alone lists the targets. Each is thin: what it does is in scripts/ and in deploy/.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

python := .venv/bin/python
deploy := @scripts/python-ready host && $(python) -m deploy
tests  ?= tests

# What runs beside the strategies without a profile, here and on a server.
ifneq ($(PROFILE),)
export COMPOSE_PROFILES := $(PROFILE)
endif

# $(call need,NAME,example): one clear line where a variable is missing.
need = @[ -n '$($(1))' ] || { echo "$(1) is missing: make $@ $(1)=$(2)" >&2; exit 2; }

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

.PHONY: setup
setup: ## Set up Docker, the base image and .venv, and start nothing
	@scripts/docker-ready
	@scripts/python-ready host

.PHONY: up
up: setup ## Set up what is missing, build and start everything, and show it: [PROFILE=portfolio]
	@$(python) -m deploy up

.PHONY: down
down: ## Stop everything; journals and state stay
	$(deploy) down

.PHONY: ps
ps: ## Show services, bots and their slots: [HOST=]
	$(deploy) ps $(if $(HOST),--host='$(HOST)')

.PHONY: status
status: ps ## The same as ps, of a server: HOST=vps

.PHONY: stats
stats: ## Show memory, CPU, disk and restarts of each container, once: [HOST=]
	$(deploy) stats $(if $(HOST),--host='$(HOST)')

.PHONY: plan
plan: ## Add up what is to run against a machine's memory, and refuse what cannot fit: [PROFILE=portfolio] [HOST=]
	@scripts/python-ready host
	@$(if $(PROFILE),COMPOSE_PROFILES='$(PROFILE)') $(python) -m deploy plan $(if $(HOST),--host='$(HOST)')

.PHONY: logs
logs: ## Follow the output of all containers, or of one: STRATEGY= [HOST=]
	$(deploy) logs $(if $(HOST),--host='$(HOST)') $(if $(STRATEGY),'$(STRATEGY)')

.PHONY: run
run: ## Run a strategy now, inside its container: STRATEGY= [BOT=] [HOST=]
	$(call need,STRATEGY,ma_crossover)
	$(deploy) run $(if $(HOST),--host='$(HOST)') '$(STRATEGY)' $(if $(BOT),--bot '$(BOT)')

.PHONY: pause
pause: ## Pause a bot; its slots are skipped: BOT= REASON= [FOR=2h] [HOST=]
	$(call need,BOT,ma_crossover)
	$(call need,REASON,earnings)
	$(deploy) pause $(if $(HOST),--host='$(HOST)') '$(BOT)' --reason '$(REASON)' $(if $(FOR),--for '$(FOR)')

.PHONY: resume
resume: ## Let a paused bot run again: BOT= [HOST=]
	$(call need,BOT,ma_crossover)
	$(deploy) resume $(if $(HOST),--host='$(HOST)') '$(BOT)'

.PHONY: halt
halt: ## Stop all orders of all strategies, at once: REASON= [HOST=]
	$(call need,REASON,"odd fills")
	$(deploy) halt $(if $(HOST),--host='$(HOST)') --reason '$(REASON)'

.PHONY: unhalt
unhalt: ## Let strategies send orders again: [HOST=]
	$(deploy) unhalt $(if $(HOST),--host='$(HOST)')

.PHONY: reconcile
reconcile: ## Compare a broker's account with the strategy's orders: STRATEGY= [ADOPT=1] [HOST=]
	$(call need,STRATEGY,ma_crossover)
	$(deploy) reconcile $(if $(HOST),--host='$(HOST)') '$(STRATEGY)' $(if $(ADOPT),--adopt)

.PHONY: next
next: ## List the coming slots of every bot: [STRATEGY=]
	$(deploy) next $(if $(STRATEGY),'$(STRATEGY)')

.PHONY: journal
journal: ## Print a strategy's journal: STRATEGY= [SYMBOL=] [SINCE=2h] [HOST=]
	$(call need,STRATEGY,ma_crossover)
	$(deploy) journal $(if $(HOST),--host='$(HOST)') '$(STRATEGY)' $(if $(SYMBOL),--symbol '$(SYMBOL)') $(if $(SINCE),--since '$(SINCE)')

.PHONY: alert-test
alert-test: ## Send one message to each channel, and say which failed and why: [HOST=]
	$(deploy) alert-test $(if $(HOST),--host='$(HOST)')

.PHONY: canary
canary: ## Miss a slot on purpose, and follow the alert to the channels: [HOST=]
	$(deploy) canary $(if $(HOST),--host='$(HOST)')

.PHONY: check
check: ## Validate all strategies, without running any
	$(deploy) check

.PHONY: new
new: ## Make a strategy that runs at once, and its service: STRATEGY=my_idea
	$(call need,STRATEGY,my_idea)
	$(deploy) new '$(STRATEGY)'

.PHONY: backtest
backtest: ## Run a strategy over the past: STRATEGY= [FROM=] [TO=] [SET="fast=10,20 slow=50"] [OPTIONS=]
	$(call need,STRATEGY,ma_crossover)
	$(deploy) backtest '$(STRATEGY)' $(if $(FROM),--from '$(FROM)') $(if $(TO),--to '$(TO)') \
		$(foreach choice,$(SET),--set '$(choice)') --out 'backtests/$(STRATEGY)' $(OPTIONS)

.PHONY: local
local: ## Run everything here without Docker, in the foreground, until Ctrl-C
	$(deploy) local

.PHONY: demo
demo: ## Watch a minute of it all without Docker: runs, a killed strategy, the alert, the recovery
	$(deploy) demo

.PHONY: crontab
crontab: ## Print the lines that let cron run strategies instead of containers: [STRATEGY=]
	@scripts/python-ready host
	@$(python) -m deploy crontab $(if $(STRATEGY),'$(STRATEGY)')

.PHONY: serverless
serverless: ## Write a strategy as a function of a cloud: TARGET=digitalocean|aws|gcp STRATEGY= [MEMORY=256]
	$(call need,TARGET,digitalocean)
	$(call need,STRATEGY,ma_crossover)
	$(deploy) serverless '$(TARGET)' '$(STRATEGY)' $(if $(MEMORY),--memory '$(MEMORY)')

.PHONY: provision
provision: ## Make a bare Debian or Ubuntu server ready for deploys: HOST=vps [YES=1]
	$(call need,HOST,vps)
	$(deploy) provision '$(HOST)' $(if $(YES),--yes)

.PHONY: dashboard
dashboard: ## Open a tunnel to a server's status page, until Ctrl-C: HOST=vps
	$(call need,HOST,vps)
	$(deploy) dashboard '$(HOST)'

.PHONY: audit
audit: ## Show what was done to a server, and by whom: HOST=vps [JSON=1]
	$(call need,HOST,vps)
	$(deploy) audit '$(HOST)' $(if $(JSON),--json)

.PHONY: deploy
deploy: ## Bring what is here to a server, between runs, and back if it fails there: HOST=vps [STRATEGY=] [PROFILE=] [DRY_RUN=1] [WAIT=idle]
	$(call need,HOST,vps)
	@scripts/docker-ready
	$(deploy) deploy '$(HOST)' $(if $(STRATEGY),--strategy '$(STRATEGY)') $(if $(DRY_RUN),--dry-run) $(if $(WAIT),--wait '$(WAIT)')

.PHONY: rollback
rollback: ## Put the release of before in place again: HOST=vps [TO=release] [DRY_RUN=1] [WAIT=idle]
	$(call need,HOST,vps)
	$(deploy) rollback '$(HOST)' $(if $(TO),--to '$(TO)') $(if $(DRY_RUN),--dry-run) $(if $(WAIT),--wait '$(WAIT)')

.PHONY: releases
releases: ## List the releases that a server keeps: HOST=vps
	$(call need,HOST,vps)
	$(deploy) releases '$(HOST)'

.PHONY: test
test: lint ## Set up what is missing and run the whole test suite
	@scripts/docker-ready
	@$(python) -m pytest -m 'not deploy_long' -n auto --dist loadfile $(tests)

.PHONY: test-deploy
test-deploy: ## Deploy to stand-in servers in every way that can go wrong, on old and new engines (many minutes)
	@scripts/docker-ready
	@scripts/python-ready dev
	@$(python) -m pytest -n auto --dist loadfile tests/deploy

.PHONY: test-faults
test-faults: ## Kill real containers in every window for some minutes, and count what is lost or doubled
	@scripts/docker-ready
	@scripts/python-ready dev
	@$(python) -m tests.faults

.PHONY: test-year
test-year: ## Simulate a year of bad luck on the real loop, and one of 1,000 bots under the real watch: [SEED=1]
	@scripts/python-ready dev
	@$(python) -m tests.unit.runner.simulation --year --seed $(or $(SEED),1)
	@$(python) -m tests.unit.supervisor.simulation --year --seed $(or $(SEED),1)

.PHONY: test-month
test-month: ## Simulate a month of the portfolio: real strategies and manifests, the real loop (many minutes): [SEED=1]
	@scripts/python-ready dev
	@$(python) -m tests.unit.runner.portfolio_month --seed $(or $(SEED),1)

.PHONY: lint
lint: ## Look at the code without running it: ruff and mypy
	@scripts/python-ready dev
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy

.PHONY: bench
bench: ## Measure lateness, memory and image sizes, beside peers
	@scripts/docker-ready
	@scripts/python-ready dev
	@$(python) -m tests.bench

.PHONY: bench-deploy
bench-deploy: ## Measure a deploy's bytes and seconds beside docker save and a registry, on a stand-in server
	@scripts/docker-ready
	@scripts/python-ready dev
	@$(python) -m tests.bench.deploy

.PHONY: bench-portfolio
bench-portfolio: ## Measure the portfolio in both forms on a stand-in machine of 1 CPU and 1 GB: [QUICK=1]
	@scripts/docker-ready
	@scripts/python-ready dev
	@$(python) -m tests.bench.portfolio $(if $(QUICK),--quick)

.PHONY: bench-backtest
bench-backtest: ## Measure our backtests' slots per second beside backtrader's on the same rule and prices
	@scripts/python-ready dev
	@$(python) -m tests.bench.backtests

.PHONY: lock
lock: ## Lock all dependencies anew, with hashes
	@scripts/python-ready dev
	@scripts/lock
