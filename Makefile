# `make` alone lists the targets. Each is thin: the work is done in scripts/ and deploy/.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

python := .venv/bin/python
# What is installed first is told on standard error: what a command prints may be piped, as `make crontab | crontab -`.
host-ready := scripts/python-ready host >&2
deploy := @$(host-ready) && $(python) -m deploy
tests  ?= tests
with-duckdb := $(python) -c 'import duckdb' 2>/dev/null || $(python) -m pip --disable-pip-version-check --no-input install --quiet --require-hashes --no-deps --only-binary :all: -r requirements-query.txt

# Variables on the command line reach the programs through the environment, word for word: neither make nor a shell
# expands or quotes them. (`$(value X)` is the text as it was typed; `:=` assigns it without expanding it again.)
given := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
given := $(filter-out MAKE% SHELL python deploy tests,$(given))
$(foreach name,$(given),$(eval override export $(name) := $$(value $(name))))
export OPENBELL_GIVEN := $(given)

# $(call need,NAME,example): one clear line where a variable is missing, before anything is installed.
need = @[ -n "$$$(1)" ] || { printf 'openbell: make %s %s=: is missing; for example: make %s %s=%s\n' '$@' '$(1)' '$@' '$(1)' '$(2)' >&2; exit 2; }

##@ Start

.PHONY: help
help: ## List the targets
	@trap '' PIPE; awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "%s%s\n", (NR > 1 && seen++ ? "\n" : ""), substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST) 2>/dev/null || true # a reader such as `head` may stop early

.PHONY: setup
setup: ## Install what is missing, Docker if it can run here, and start nothing
	@scripts/machine-ready host
	@$(python) -m deploy setup

.PHONY: up
up: ## Install what is missing, build and start everything, and show it: [PROFILE=portfolio] [ENGINE=docker|none]
	@scripts/machine-ready host && $(python) -m deploy up

.PHONY: down
down: ## Stop everything; journals and accounts stay
	$(deploy) down

.PHONY: demo
demo: ## Watch one minute without Docker: runs, a killed strategy, the alert, the recovery
	$(deploy) demo

.PHONY: local
local: ## Run everything here without Docker, in the foreground, until Ctrl-C
	$(deploy) local

.PHONY: new
new: ## Create a strategy that runs at once: STRATEGY=my_idea
	$(call need,STRATEGY,my_idea)
	$(deploy) new

.PHONY: init
init: ## Write a folder for strategies of your own: DIR=../my-strategies
	$(call need,DIR,../my-strategies)
	$(deploy) init

.PHONY: remove
remove: ## Stop a strategy and delete its folder; its data stays: STRATEGY= [DATA=1] [YES=1]
	$(call need,STRATEGY,my_idea)
	$(deploy) remove

.PHONY: rename
rename: ## Give a strategy another name, and let its ledger, account and journal go along: STRATEGY= TO= [YES=1] [HOST=]
	$(call need,STRATEGY,my_idea)
	$(call need,TO,better_idea)
	$(deploy) rename

.PHONY: add
add: ## Let a strategy use packages, and lock them: STRATEGY= PACKAGE="pandas scikit-learn"
	$(call need,STRATEGY,my_idea)
	$(call need,PACKAGE,pandas)
	$(deploy) add

.PHONY: check
check: ## Validate all strategies without running them
	$(deploy) check

.PHONY: backtest
backtest: ## Run a strategy over the past: STRATEGY= [FROM=] [TO=] [SET="fast=10,20 slow=50" [WALK_FORWARD=3y/6m]] [OPTIONS=]
	$(call need,STRATEGY,ma_crossover)
	$(deploy) backtest

.PHONY: compare
compare: ## Lay a backtest beside what really ran: STRATEGY= [SINCE=30d] [OPTIONS="--prices FOLDER"] [HOST=]
	$(call need,STRATEGY,ma_crossover)
	$(deploy) compare

.PHONY: history
history: ## Fetch bars and keep them for backtests: MARKET= SYMBOLS="SPY QQQ" TIMEFRAME= FROM= [TO=] [FEED=]
	$(call need,MARKET,alpaca)
	$(call need,SYMBOLS,"SPY QQQ")
	$(call need,TIMEFRAME,15m)
	$(call need,FROM,2020-01-01)
	$(deploy) history

##@ Every day

.PHONY: ps
ps: ## Show services, bots and their slots: [HOST=]
	$(deploy) ps

.PHONY: status
status: ps ## The same as ps: [HOST=]

.PHONY: next
next: ## List the coming slots of every enabled bot: [STRATEGY=] [ALL=1]
	$(deploy) next

.PHONY: calendar
calendar: ## Show coming sessions, half days and closures; APPLY=1: what runs obeys strategies/calendar.toml: [CALENDAR=] [HOST=]
	$(deploy) calendar

.PHONY: logs
logs: ## Follow the output of all containers, or of one: [STRATEGY=] [FOLLOW=0] [HOST=]
	$(deploy) logs

.PHONY: journal
journal: ## Print what a strategy saw and decided: STRATEGY= [SYMBOL=] [SINCE=2h] [HOST=]
	$(call need,STRATEGY,ma_crossover)
	$(deploy) journal

.PHONY: query
query: ## Ask the journals by SQL (DuckDB), or keep whole days as Parquet: SQL="SELECT … FROM journal" [SINCE=30d] [TO=folder] [HOST=]
	@$(host-ready)
	@$(with-duckdb)
	@$(python) -m deploy query

.PHONY: export
export: ## Write lines of the journals as CSV or Parquet, as the page filters them: TO=journal.csv [STRATEGY=] [BOT=] [EVENT=] [SYMBOL=] [TEXT=] [SINCE=30d] [HOST=]
	$(call need,TO,journal.csv)
	@$(host-ready)
	@$(with-duckdb)
	@$(python) -m deploy export

.PHONY: run
run: ## Run a strategy now, or a slot that has passed; then it asks first: STRATEGY= [BOT=] [SLOT=] [YES=1] [HOST=]
	$(call need,STRATEGY,ma_crossover)
	$(deploy) run

.PHONY: pause
pause: ## Pause a bot; its slots are skipped: BOT= REASON= [FOR=2h] [HOST=]
	$(call need,BOT,ma_crossover)
	$(call need,REASON,"earnings today")
	$(deploy) pause

.PHONY: resume
resume: ## Let a paused bot run again: BOT= [HOST=]
	$(call need,BOT,ma_crossover)
	$(deploy) resume

.PHONY: halt
halt: ## Stop all orders of all strategies, at once: REASON= [EXITS=1] [HOST=]
	$(call need,REASON,"odd fills")
	$(deploy) halt

.PHONY: unhalt
unhalt: ## Let strategies send orders again: [HOST=]
	$(deploy) unhalt

.PHONY: flatten
flatten: ## Cancel what waits and close what strategies hold; asks first: [STRATEGY=] [YES=1] [HOST=]
	$(deploy) flatten

.PHONY: reconcile
reconcile: ## Compare a broker's account with the strategy's orders: STRATEGY= [ADOPT=1] [HOST=]
	$(call need,STRATEGY,ma_crossover)
	$(deploy) reconcile

.PHONY: alert-test
alert-test: ## Send one message to each alert channel and report failures: [HOST=]
	$(deploy) alert-test

.PHONY: canary
canary: ## Miss a slot on purpose and follow the alert to the channels: [HOST=]
	$(deploy) canary

.PHONY: stats
stats: ## Show memory, CPU, disk and restarts of each container: [HOST=]
	$(deploy) stats

.PHONY: backup
backup: ## Write ledgers, accounts, journals and the supervisor's store to one file, while all runs: TO=~/openbell.tar.gz, ~/backups, restic:REPO or rclone:REMOTE:PATH [KEEP=14] [HOST=]
	$(call need,TO,~/openbell.tar.gz)
	$(deploy) backup

.PHONY: restore
restore: ## Replace what is here by a backup; what was here is kept beside it; `make down` first: FROM=~/openbell.tar.gz [HOST=]
	$(call need,FROM,~/openbell.tar.gz)
	$(deploy) restore

.PHONY: database
database: ## Start a PostgreSQL with backups here, for several hosts that have none, or say how a deploy brings it to a server: [HOST=]
	@scripts/docker-ready
	$(deploy) database

.PHONY: database-backup
database-backup: ## Take a base backup of that PostgreSQL, and keep it elsewhere too, with its log: [TO=~/database.tar, a folder, restic:REPO or rclone:REMOTE:PATH] [HOST=]
	$(deploy) database-backup

.PHONY: database-restore
database-restore: ## Return that PostgreSQL to its newest state in the backups, or to an instant: [AT=2026-11-20T09:35Z] [FROM=~/database.tar] [HOST=]
	$(deploy) database-restore

.PHONY: move-to-database
move-to-database: ## Bring what strategies know from files into OPENBELL_DATABASE, each row compared; `make down` first: [HOST=]
	$(deploy) move-to-database

.PHONY: move-from-database
move-from-database: ## Bring it back from OPENBELL_DATABASE into files; stop all hosts first: [HOST=]
	$(deploy) move-from-database

.PHONY: upgrade
upgrade: ## Show what is new, back up, and put the new version in place, or this one again if it does not work: [TO=0.2.0] [DRY_RUN=1]
	$(deploy) upgrade

.PHONY: plan
plan: ## Compare what is enabled with a machine's memory: [PROFILE=portfolio] [HOST=]
	$(deploy) plan

##@ Server

.PHONY: provision
provision: ## Prepare a bare Debian or Ubuntu server for deploys: HOST=vps [YES=1]
	$(call need,HOST,vps)
	$(deploy) provision

.PHONY: deploy
deploy: ## Deploy between two runs, and roll back on failure: HOST=vps or HOST=a,b [STRATEGY=] [PROFILE=] [DRY_RUN=1] [WAIT=idle] [YES=1]
	$(call need,HOST,vps)
	$(deploy) deploy

.PHONY: move
move: ## Let a strategy run on another of the hosts that share a database, between two runs: STRATEGY= HOST=b
	$(call need,STRATEGY,ma_crossover)
	$(call need,HOST,b)
	$(deploy) move

.PHONY: move-to
move-to: ## Bring strategies with all that they know from this machine, or from another server, to a server: HOST=new [FROM=old]
	$(call need,HOST,vps)
	@scripts/docker-ready
	$(deploy) move-to

.PHONY: rollback
rollback: ## Return to the previous release: HOST=vps [TO=release] [DRY_RUN=1] [WAIT=idle]
	$(call need,HOST,vps)
	$(deploy) rollback

.PHONY: releases
releases: ## List the releases that a server keeps: HOST=vps
	$(call need,HOST,vps)
	$(deploy) releases

.PHONY: dashboard
dashboard: ## Open a tunnel to a server's status page, until Ctrl-C: HOST=vps
	$(call need,HOST,vps)
	$(deploy) dashboard

.PHONY: audit
audit: ## Show what was done to a server, and by whom: HOST=vps [JSON=1]
	$(call need,HOST,vps)
	$(deploy) audit

##@ Elsewhere

.PHONY: crontab
crontab: ## Print the lines that let cron run strategies instead of containers, or those for backups and Parquet each night: [STRATEGY=] [BACKUP=~/backups KEEP=14] [PARQUET=~/journals] [HOST=]
	$(deploy) crontab

.PHONY: serverless
serverless: ## Write a strategy as a cloud function: TARGET=digitalocean|aws|gcp STRATEGY= [MEMORY=256]
	$(call need,TARGET,aws)
	$(call need,STRATEGY,ma_crossover)
	$(deploy) serverless

.PHONY: kubernetes
kubernetes: ## Write what Compose would run as objects of Kubernetes into kubernetes/: [NAMESPACE=] [PROFILE=] [SECRETS=1]
	@scripts/docker-ready
	$(deploy) kubernetes

##@ Develop

.PHONY: test
test: ## Install what is missing and run the whole test suite
	@scripts/machine-ready dev
	@said=$$(mktemp); $(MAKE) lint >"$$said" 2>&1 & lint=$$!; \
	scripts/run-tests --compile; scripts/run-tests $(tests); tested=$$?; \
	wait $$lint; linted=$$?; cat "$$said"; rm "$$said"; exit $$((tested ? tested : linted))

.PHONY: test-deploy
test-deploy: ## Deploy to stand-in servers in every way that can go wrong, on old and new engines (an hour or two; what has passed is not run again): [MINUTES=20]
	@scripts/docker-ready
	@scripts/python-ready dev
	@$(python) -m pytest -p tests.resume -n auto --dist loadfile --no-loadscope-reorder tests/deploy tests/engine

.PHONY: test-long
test-long: ## Run the tests that take minutes without containers: more seeds, every kill, whole forms (what has passed is not run again): [MINUTES=20]
	@scripts/python-ready dev
	@$(python) -m pytest -m long -p tests.resume -n auto --dist loadfile --no-loadscope-reorder --timeout 1800 tests

.PHONY: test-walk
test-walk: ## Deploy to a stand-in server, rename, roll back and break things 200 times at random, and count slots (an hour or two): [SEED=1] [MINUTES=20]
	@scripts/docker-ready
	@scripts/python-ready dev
	@$(python) -m tests.deploy.walk --seed "$${SEED:-1}" --minutes "$${MINUTES:-1000}"

.PHONY: test-faults
test-faults: ## Kill real containers in every window for some minutes, and count what is lost or doubled
	@scripts/docker-ready
	@scripts/python-ready dev
	@$(python) -m tests.faults

.PHONY: test-calendars
test-calendars: ## Compare every day of every exchange's calendar, every zone and every rule of days with exchange_calendars and rrule; look for look-ahead in backtests (minutes)
	@scripts/python-ready dev
	@OPENBELL_TEST_CALENDARS=whole $(python) -m pytest -n auto --timeout 3600 tests/unit/calendars/test_tables.py tests/unit/slots/test_days.py tests/unit/slots/test_blackouts.py tests/unit/slots/test_zones.py tests/unit/slots/test_properties.py tests/unit/backtest/test_fills.py

.PHONY: test-year
test-year: ## Simulate a year of bad luck on the real loop, one of 1,000 bots under the real watch, and wrong clocks: [SEED=1]
	@scripts/python-ready dev
	@$(python) -m tests.unit.runner.simulation --year --seed "$${SEED:-1}"
	@$(python) -m tests.unit.supervisor.simulation --year --seed "$${SEED:-1}"
	@$(python) -m tests.unit.clock_simulation --seed "$${SEED:-1}" --seeds 100

.PHONY: test-orders
test-orders: ## Kill the order path between every two statements, on SQLite and PostgreSQL, and trade for a simulated year: [SEED=1]
	@scripts/python-ready dev
	@OPENBELL_TEST_ORDERS=whole $(python) -m pytest -q -n auto tests/unit/trading/test_order_kills.py tests/serverless/test_order_kills.py
	@$(python) -m tests.unit.trading.simulation --year --seed "$${SEED:-1}"

.PHONY: test-mutants
test-mutants: ## Change what decides about slots, money and health in 7,000 places, and count what its tests notice: [ROOMS="limits recovery"]
	@scripts/python-ready dev
	@.venv/bin/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes --no-deps --only-binary :all: -r tests/mutants/requirements.txt
	@$(python) -m tests.mutants $(ROOMS)

.PHONY: test-hosts
test-hosts: ## Simulate 5,000 histories of several hosts, kill and freeze real loops, then let accidents happen to three stand-in hosts with engines (two hours; what has passed is not run again): [SEED=1] [MINUTES=20]
	@scripts/docker-ready
	@scripts/python-ready dev
	@OPENBELL_TEST_HISTORIES=5000 $(python) -m pytest -q -s -p tests.resume tests/hosts
	@$(python) -m tests.hosts.accidents --seed "$${SEED:-1}" --minutes "$${MINUTES:-1000}"

.PHONY: test-ported
test-ported: ## Build an image of each ported strategy, kill its container in the middle of a year, and compare the books (minutes)
	@scripts/docker-ready
	@scripts/python-ready dev
	@$(python) -m tests.ported

.PHONY: test-fuzz
test-fuzz: ## Give 100,000 mutated inputs each to whatever reads files, requests and calls of others (half an hour)
	@scripts/python-ready dev
	@OPENBELL_FUZZ=100000 $(python) -m pytest -q -s --timeout 3600 tests/fuzz

.PHONY: test-month
test-month: ## Simulate a month of the portfolio: real strategies and manifests, the real loop (many minutes): [SEED=1]
	@scripts/python-ready dev
	@$(python) -m tests.unit.runner.portfolio_month --seed "$${SEED:-1}"

.PHONY: lint
lint: ## Check the code without running it: ruff and mypy
	@scripts/python-ready dev
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy

.PHONY: docs
docs: ## Build the documentation into site/; a broken link fails
	@scripts/python-ready dev
	@$(python) -m mkdocs build --clean
	@echo 'openbell: the documentation is in site/index.html'

.PHONY: screenshots
screenshots: ## Take the pictures of the page in the documentation again; TO=folder: every view, wide and narrow, light and dark
	@scripts/python-ready dev
	@$(python) -m tests.browser.screenshots $${TO:+"$$TO"}

.PHONY: bench
bench: ## Measure lateness, memory and image sizes, beside peers
	@scripts/docker-ready
	@scripts/python-ready dev
	@$(python) -m tests.bench

.PHONY: bench-deploy
bench-deploy: ## Measure a deploy's bytes and seconds beside docker save and a registry, on a stand-in server (an hour; what was measured is kept): [MINUTES=20]
	@scripts/docker-ready
	@scripts/python-ready dev
	@$(python) -m tests.bench.deploy.whole --minutes "$${MINUTES:-1000}"
	@$(python) -m tests.bench.deploy --minutes "$${MINUTES:-1000}"

.PHONY: bench-portfolio
bench-portfolio: ## Measure the portfolio in both forms on a stand-in machine of 1 CPU and 1 GB: [QUICK=1]
	@scripts/docker-ready
	@scripts/python-ready dev
	@$(python) -m tests.bench.portfolio $(if $(value QUICK),--quick)

.PHONY: bench-backtest
bench-backtest: ## Measure our backtests' slots per second beside those of backtrader, backtesting.py and vectorbt
	@scripts/python-ready dev
	@$(python) -m tests.bench.backtests

.PHONY: bench-growth
bench-growth: ## Measure lateness, memory, CPU and alerts with 10 to 1,000 bots and 1 to 100 strategies: [QUICK=1]
	@scripts/docker-ready
	@scripts/python-ready dev
	@$(python) -m tests.bench.growth $(if $(value QUICK),--quick)

.PHONY: bench-page
bench-page: ## Measure the page's first bytes, size and memory for 10, 45 and 1,000 bots with a year of history
	@scripts/python-ready dev
	@$(python) -m tests.bench.page

.PHONY: bench-hosts
bench-hosts: ## Measure what 100 loops with 100 to 10,000 bots ask of one PostgreSQL that they share: [QUICK=1]
	@scripts/python-ready dev
	@$(python) -m tests.bench.hosts $(if $(value QUICK),--quick)

.PHONY: lock
lock: ## Lock a strategy's packages anew, in seconds, or all dependencies of openbell: [STRATEGY=]
ifneq ($(STRATEGY),)
	$(deploy) lock
else
	@scripts/python-ready dev
	@scripts/lock
endif
