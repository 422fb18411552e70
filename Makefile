# The two commands a newcomer needs: `make run` and `make test`. `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
ROUNDS ?= 50
SOAK_SECONDS ?= 600
SOAK_ROWS ?= 1000000

.PHONY: help run demo dev admin build test lint docs coverage bench soak clean

help: ## list these commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: admin ## build everything and start the gateway on 127.0.0.1:5200
	$(CARGO) build --locked --release -p troupe-server
	@if [ -n "$${ANTHROPIC_API_KEY:-}" ] || [ -n "$${TROUPE_CONFIG:-}" ] || [ -f troupe.yaml ] || [ -f /etc/troupe/troupe.yaml ]; then \
	  exec $(TARGET_DIR)/release/troupe serve; \
	else \
	  echo "No ANTHROPIC_API_KEY and no troupe.yaml: starting the demo with a scripted upstream."; \
	  exec $(TARGET_DIR)/release/troupe demo; \
	fi

demo: ## start the demo from a development build
	$(CARGO) run --locked -p troupe-server -- demo

dev: ## start the gateway from a development build, with ./troupe.yaml if there is one
	$(CARGO) run --locked -p troupe-server -- serve

# admin/build.sh ends with 3 when there is no Node: the gateway then runs without the admin page.
admin: ## build the admin page into admin/dist
	@status=0; admin/build.sh || status=$$?; \
	if [ $$status -eq 3 ]; then \
	  echo "Node 20 or newer was not found: going on without the admin page."; \
	elif [ $$status -ne 0 ]; then exit $$status; fi

# One set of features for the binaries and the tests, so that nothing is compiled twice.
build: admin
	$(CARGO) build --locked --workspace --bins --tests

test: ## install what the tests need and run every test of every crate
	tests/install
	@$(MAKE) --no-print-directory build
	$(CARGO) test --locked --workspace --doc --quiet
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  $(CARGO) nextest run --locked --workspace; \
	else \
	  echo "cargo-nextest is not there: running the tests with cargo test."; \
	  $(CARGO) test --locked --workspace --bins --lib --tests; \
	fi

lint: ## formatting, clippy with warnings as errors, dependency rules
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	  $(CARGO) deny --locked check bans licenses sources; \
	else \
	  echo "cargo-deny is not installed: dependency rules not checked (cargo install --locked cargo-deny)."; \
	fi

docs: ## API documentation and the generated configuration schema
	$(CARGO) doc --locked --workspace --no-deps
	$(CARGO) run --locked --quiet -p troupe-server -- config schema > docs/config.schema.json

# Without rustup's llvm-tools component, Debian's llvm-22 fits rustc 1.95.
coverage: admin ## line coverage of all tests, at least 80 %
	tests/install
	@$(CARGO) llvm-cov --version >/dev/null 2>&1 || { echo "cargo-llvm-cov is missing: cargo install --locked cargo-llvm-cov"; exit 1; }
	@if command -v llvm-cov-22 >/dev/null; then export LLVM_COV=llvm-cov-22 LLVM_PROFDATA=llvm-profdata-22; fi; \
	source <($(CARGO) llvm-cov show-env --sh); \
	$(CARGO) llvm-cov clean --workspace; \
	$(CARGO) build --locked --workspace --bins --tests; \
	$(CARGO) test --locked --workspace --bins --lib --tests; \
	$(CARGO) llvm-cov report --summary-only --fail-under-lines 80

bench: ## measure against nginx and without a proxy, into bench/results; ARGS="--quick"
	@command -v nginx >/dev/null || { echo "nginx is missing: apt-get install nginx-light"; exit 1; }
	$(CARGO) build --locked --release -p troupe-server -p troupe-bench
	$(CARGO) bench --locked -p troupe-server --bench choose --bench limits
	$(CARGO) bench --locked -p troupe-core --bench hold
	$(TARGET_DIR)/release/troupe-bench run --write $(ARGS)

soak: build ## the long runs: kill -9 under load, ROUNDS times (50); accounts that fail at random, SOAK_SECONDS (600); a store to PostgreSQL and back, SOAK_ROWS (1000000)
	TROUPE_SOAK_ROUNDS=$(ROUNDS) $(CARGO) test --locked -p troupe-storage --test kill -- --nocapture
	TROUPE_SOAK_ROUNDS=$(ROUNDS) $(CARGO) test --locked -p troupe-tests --test it kill -- --nocapture
	TROUPE_SOAK_ROWS=$(SOAK_ROWS) $(CARGO) test --locked --release -p troupe-storage --lib archive::tests::scale -- --nocapture
	TROUPE_SOAK_SECONDS=$(SOAK_SECONDS) $(CARGO) test --locked -p troupe-tests --test it chaos -- --nocapture

clean: ## remove build products; data and configuration stay
	$(CARGO) clean
	rm -rf admin/dist tests/.venv tests/sdk/typescript/node_modules
