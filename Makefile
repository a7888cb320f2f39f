# `make` alone lists the targets. Each is thin: what it does is in scripts/ and in deploy/.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

python := .venv/bin/python
deploy := @scripts/python-ready host && $(python) -m deploy
tests  ?= tests

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
up: setup ## Set up what is missing, build and start everything, and show it
	@$(python) -m deploy up

.PHONY: down
down: ## Stop everything; journals and state stay
	$(deploy) down

.PHONY: ps
ps: ## Show services, bots and their slots
	$(deploy) ps

.PHONY: logs
logs: ## Follow the output of all containers, or of one: STRATEGY=
	$(deploy) logs $(if $(STRATEGY),'$(STRATEGY)')

.PHONY: run
run: ## Run a strategy now, inside its container: STRATEGY= [BOT=]
	$(call need,STRATEGY,ma_crossover)
	$(deploy) run '$(STRATEGY)' $(if $(BOT),--bot '$(BOT)')

.PHONY: pause
pause: ## Pause a bot; its slots are skipped: BOT= REASON= [FOR=2h]
	$(call need,BOT,ma_crossover)
	$(call need,REASON,earnings)
	$(deploy) pause '$(BOT)' --reason '$(REASON)' $(if $(FOR),--for '$(FOR)')

.PHONY: resume
resume: ## Let a paused bot run again: BOT=
	$(call need,BOT,ma_crossover)
	$(deploy) resume '$(BOT)'

.PHONY: next
next: ## List the coming slots of every bot: [STRATEGY=]
	$(deploy) next $(if $(STRATEGY),'$(STRATEGY)')

.PHONY: journal
journal: ## Print a strategy's journal: STRATEGY= [SYMBOL=] [SINCE=2h]
	$(call need,STRATEGY,ma_crossover)
	$(deploy) journal '$(STRATEGY)' $(if $(SYMBOL),--symbol '$(SYMBOL)') $(if $(SINCE),--since '$(SINCE)')

.PHONY: check
check: ## Validate all strategies, without running any
	$(deploy) check

.PHONY: new
new: ## Make a strategy that runs at once, and its service: STRATEGY=my_idea
	$(call need,STRATEGY,my_idea)
	$(deploy) new '$(STRATEGY)'

.PHONY: test
test: lint ## Set up what is missing and run the whole test suite
	@scripts/docker-ready
	@$(python) -m pytest $(tests)

.PHONY: test-faults
test-faults: ## Kill real containers in every window for some minutes, and count what is lost or doubled
	@scripts/docker-ready
	@scripts/python-ready dev
	@$(python) -m tests.faults

.PHONY: test-year
test-year: ## Simulate a year of bad luck on the real loop: [SEED=1]
	@scripts/python-ready dev
	@$(python) -m tests.unit.runner.simulation --year --seed $(or $(SEED),1)

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

.PHONY: lock
lock: ## Lock all dependencies anew, with hashes
	@scripts/python-ready dev
	@scripts/lock
