# Everything starts here; each target sets up what it needs on a bare Debian or Ubuntu.
.DEFAULT_GOAL := help
BIN := .venv/bin
HOME_DIR ?= var
PYTEST := $(BIN)/python -m pytest
export PRATHU_NEXT_DUCKDB ?= $(CURDIR)/build/duckdb-next

.PHONY: help
help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1  /p' $(MAKEFILE_LIST) | awk '{n=$$1; $$1=""; printf "make %-8s%s\n", n, $$0}'

.PHONY: setup
setup: ## the set-up part of `make run` and `make test` alone
	@packaging/setup/setup test

.PHONY: run
run: ## start the box in the foreground (home: ./var)
	@packaging/setup/setup run
	@packaging/setup/run $(HOME_DIR)

.PHONY: demo
demo: ## `make run` with a simulated school on it
	@packaging/setup/setup run
	@packaging/setup/run $(HOME_DIR) --demo

.PHONY: lint
lint: ## format, lint, types, import contracts
	@packaging/setup/setup test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: quick
quick: lint ## the inner loop: lint and the tests that need no daemons
	$(PYTEST) -q -n 2 --dist loadfile -m "not soak" --ignore tests/integration tests

.PHONY: test
test: lint ## everything that this machine can prove
	$(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder -m "not soak" tests

.PHONY: soak
soak: ## what is too long for `make test`: kills, and two hours of a day; figures in build/soak*.json
	@packaging/setup/setup test
	$(PYTEST) -s -m soak tests

.PHONY: fuzz
fuzz: ## every fuzz target for PRATHU_FUZZ_S seconds, every parser property for long
	@packaging/setup/setup test
	PRATHU_FUZZ_S=$${PRATHU_FUZZ_S:-60} $(PYTEST) -n 2 tests/fuzz
	HYPOTHESIS_PROFILE=fuzz PRATHU_RADIUS_MUTATED=60000 $(PYTEST) -q -n 2 --dist loadfile -m "not soak" --ignore tests/integration --ignore tests/fuzz tests

.PHONY: bench
bench: ## the figures, against nfcapd and nfdump; also in build/bench.json
	@packaging/setup/setup test
	$(BIN)/python -m tests.bench.bench --out build/bench.json

.PHONY: lock
lock: ## choose versions anew: requirements/*.in to *.txt, with hashes
	@packaging/setup/setup test
	@packaging/setup/lock

.PHONY: config
config: ## write config/prathu.toml anew from the settings
	@packaging/setup/setup test
	$(BIN)/python -m tests.defaults

.PHONY: deb
deb: ## the Debian package (not yet)
	@echo "make deb: there is no Debian package yet; until then: make run" >&2; exit 3
