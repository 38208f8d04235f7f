# Everything here does its own set-up. It needs Rust (1.88), Python (3.10) and Node.js (20.19), or newer ones.

PYTHON ?= python3
SEED ?= 1

.DEFAULT_GOAL := help
.PHONY: help test ready soak demo bench herd simulation build docs format clean

help:
	@echo 'make demo    shows it: a token in Rust, Python and Node, from an emulated org or your own'
	@echo 'make test    every check and every test ("make ready" is the same); SUITES="pytest clippy" runs only these'
	@echo 'make soak    the long tests: forks, exits, leaks; SOAKS="python rust" runs only these'
	@echo 'make bench   what a cached read and a login cost, beside the least they could'
	@echo 'make herd    how many logins a fleet of processes needs that shares a store, and how long its callers wait'
	@echo 'make simulation   the policy beside others, over simulated weeks (SEED=1)'
	@echo 'make build   both packages, usable in the repository (debug builds)'
	@echo 'make docs    the reference of each language, from its sources, into target/docs'
	@echo 'make format  writes every source file in its format'
	@echo 'make clean   removes all that was built or installed in the repository'

test:
	@$(PYTHON) scripts/ready.py $(SUITES)

ready: test

soak:
	@$(PYTHON) scripts/soak.py $(SOAKS)

demo:
	@$(PYTHON) scripts/run.py demo

bench:
	@$(PYTHON) scripts/run.py bench

herd:
	@$(PYTHON) scripts/herd.py

simulation:
	@cargo run --quiet --release --locked --package forcegrant --features simulation --example simulation -- --seed $(SEED)

build:
	@$(PYTHON) scripts/run.py build

docs:
	@$(PYTHON) scripts/docs.py

format:
	@$(PYTHON) scripts/run.py format

clean:
	@$(PYTHON) scripts/run.py clean
