# Everything one does with this tree, a target each. `make demo` and `make test` need nothing prepared.
SECONDS_EACH ?= 30
SOAK_SECONDS ?= 15
.PHONY: check test demo bench soak fuzz docs

check: # all that CI does
	.ci/run

test: # every test, after installing what the tests talk to
	tests/prepare
	cargo test --no-fail-fast

demo: # the main job, shown; ARGS=--once ends by itself
	cargo build --quiet --bin tidegate --example demo
	cargo run --quiet --example demo -- $(ARGS)

bench: # cost, side by side with other relays
	tests/prepare bench
	cargo bench

soak: # a plant under every kind of flood, SOAK_SECONDS of each; says what its devices notice, and fails where it is too much
	tests/prepare
	SOAK_SECONDS=$(SOAK_SECONDS) cargo test --profile bench --test soak -- --nocapture

fuzz: # every fuzz target for SECONDS_EACH seconds, finds kept in target/found; needs a nightly toolchain and cargo-fuzz
	for target in $$(cargo +nightly fuzz list); do mkdir -p target/found/$$target && cargo +nightly fuzz run $$target \
	    target/found/$$target fuzz/corpus/$$target -- -max_total_time=$(SECONDS_EACH) || exit 1; done

docs: # the library's pages, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps
