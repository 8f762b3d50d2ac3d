# The commands of the project. Needed on the machine: Rust (rustup), Go, a C compiler, make and git; everything else is built here.

HOST := $(shell rustc -vV | sed -n 's/^host: //p')
BIN := target/$(HOST)/debug
LAB := $(BIN)/lab
DEMO := target/demo

# The first build of the real components takes about 20 minutes on 2 cores; they are kept outside of this folder (`lab build` says where).
export CARGO_INCREMENTAL ?= 1

.PHONY: all build lab demo demo-clean test lint bench images clean help

help:
	@echo 'make demo        a release from patches to customers, on this machine (KUBECONFIG=... uses a cluster of yours)'
	@echo 'make demo-clean  ends the demo and removes all of it'
	@echo 'make test        builds what the tests need and runs everything'
	@echo 'make lint        format, clippy, documentation, licences'
	@echo 'make bench       memory and start-up figures, written to docs/BENCHMARKS.md'

all: build

build:
	cargo build --workspace --locked

lab: build
	$(LAB) build

demo: lab
	@$(LAB) demo $(DEMO) $(KUBECONFIG)

demo-clean: build
	$(LAB) clean $(DEMO)

test: lab
	cargo test --workspace --locked --no-fail-fast

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --quiet
	tests/lint/cargo-deny

bench: lab
	cargo build --workspace --bins --locked --release
	target/$(HOST)/release/lab bench docs/BENCHMARKS.md

images:
	@echo 'The images come with a later change; see docs/ARCHITECTURE.md, "Where this goes".' >&2; exit 1

clean: demo-clean
	cargo clean
