# The commands of the project. Needed on the machine: Rust (rustup), Go, a C compiler, make and git, for the tests also Python 3 with pip and Java 17
# with Maven. `test`, `images` and `images-reproducible` install podman and what belongs to it, as root on Debian; everything else is built here.

HOST := $(shell rustc -vV | sed -n 's/^host: //p')
BIN := target/$(HOST)/debug
LAB := $(BIN)/lab
DEMO := target/demo
# A world each, so that one does not find the other's work done.
WORLDS := $(DEMO) target/drone target/woodpecker
CACHE := $(or $(ESTEIRA_LAB_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/esteira-lab)

export CARGO_INCREMENTAL ?= 1

# A cluster is named on the command line or not at all: a KUBECONFIG that happens to be in the shell may lead to production.
# No command below inherits it either way.
ifeq ($(origin KUBECONFIG),command line)
CLUSTER := $(patsubst ~/%,$(HOME)/%,$(KUBECONFIG))
endif
unexport KUBECONFIG

.PHONY: all build lab demo drone woodpecker demo-clean test lint bench bench-images reliability fuzz images images-reproducible clean help

help:
	@echo 'make demo        a release from patches to customers, on this machine'
	@echo '                 (make demo KUBECONFIG=path uses a cluster of yours, and says where it goes)'
	@echo 'make drone       the same in Drone'\''s own engine, with the images of make images'
	@echo 'make woodpecker  the same in Woodpecker'\''s'
	@echo 'make demo-clean  ends these demos and removes all of them'
	@echo 'make build       the plugins'
	@echo 'make test        builds what the tests need and runs everything'
	@echo 'make lint        format, clippy, documentation, licences, workflow files'
	@echo 'make bench       memory and start-up figures, written to docs/BENCHMARKS.md'
	@echo 'make reliability  make test, and its counts written to docs/RELIABILITY.md'
	@echo 'make fuzz        random and half-broken input for all that is read, SECONDS=60 for each kind of it'
	@echo 'make images      the container images of all plugins'
	@echo 'make bench-images  sizes, start-up and memory of those, written to docs/BENCHMARKS.md'
	@echo 'make images-reproducible  makes them twice from clones of the last commit: the same digests'
	@echo 'make clean       make demo-clean, and removes target'
	@echo
	@echo 'Programs of this project are built in $(BIN) (target grows to about 7 GB), the real components that'
	@echo 'tests and demo need in $(CACHE) (about 1 GB; ESTEIRA_LAB_CACHE puts them elsewhere).'
	@echo 'The first build of those takes about 28 minutes on 2 cores.'

all: build

build:
	@cargo build --workspace --locked

lab: build
	@$(LAB) build

demo: lab
	@$(LAB) demo $(DEMO) $(if $(CLUSTER),'$(CLUSTER)')

drone woodpecker: lab
	@$(LAB) $@ target/$@

# Builds nothing: without the lab's program no demo can be running that it has started.
demo-clean:
	@worlds='$(wildcard $(WORLDS))'; if [ -z "$$worlds" ]; then echo 'There is no demo: nothing to end.'; \
	elif [ -x $(LAB) ]; then $(LAB) clean $$worlds; \
	else echo "$$worlds is there, but the program that ends it is not: run \`make build\` first" >&2; exit 1; fi

test: lab
	@Dockerfiles/install-podman
	@$(LAB) skipped-clear
	@status=0; (set -x; cargo test --workspace --locked --no-fail-fast) || status=$$?; $(LAB) skipped && exit $$status

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --quiet
	tests/lint/cargo-deny
	tests/lint/actionlint

bench: lab
	@cargo build --workspace --bins --locked --release
	@target/$(HOST)/release/lab bench docs/BENCHMARKS.md

# The tests count what they did to the plugins; this runs them and writes the counts down.
reliability: lab
	@$(LAB) figures-clear
	@$(MAKE) --no-print-directory test
	@$(LAB) figures docs/RELIABILITY.md

# What the tests do for a second or two, for longer. A failure shows the input, shrunk.
fuzz: build
	ESTEIRA_FUZZ_SECONDS=$(or $(SECONDS),60) cargo test --package fuzz --locked --no-fail-fast -- --test-threads 2

# Names begin with REGISTRY=registry.example.com/esteira; nothing is pushed.
images:
	@Dockerfiles/install-podman
	@Dockerfiles/images

bench-images: images build
	@$(LAB) bench-images target/images docs/BENCHMARKS.md

images-reproducible:
	@Dockerfiles/install-podman
	@Dockerfiles/reproducible

clean: demo-clean
	@if [ -e target ]; then cargo clean; fi
