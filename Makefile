# Everything here does its own set-up. It needs Rust (1.88), Python (3.10) and Node.js (20.19), or newer ones.

PYTHON ?= python3
SEED ?= 1

.DEFAULT_GOAL := help
.PHONY: help test ready soak demo bench herd simulation build docs format clean

help:
	@echo 'make demo    gets a token in Rust, Python and Node, from an emulated org or your own'
	@echo 'make test    every check and every test ("make ready" is the same); SUITES="pytest clippy" runs only these'
	@echo 'make soak    the long tests: forks, exits, leaks; SOAKS="python rust" runs only these'
	@echo 'make bench   the time of a cached read and of a login, compared with the least possible'
	@echo 'make herd    how many logins a fleet of processes with a shared store needs, and how long its callers wait'
	@echo 'make simulation   the cache policy compared with others, over simulated weeks (SEED=1)'
	@echo 'make build   both packages, usable in the repository (debug builds)'
	@echo 'make docs    the reference of each language, from its sources, into target/docs'
	@echo 'make format  formats every source file'
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
	@cargo run --quiet --release --locked --package xtask -- simulation --seed $(SEED)

build:
	@$(PYTHON) scripts/run.py build

docs:
	@$(PYTHON) scripts/docs.py

format:
	@$(PYTHON) scripts/run.py format

clean:
	@$(PYTHON) scripts/run.py clean
