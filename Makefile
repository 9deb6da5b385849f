.PHONY: test demo bench

# Everything that must hold: format, lints, all tests, dependencies. Installs Debian's mosquitto and cargo-deny where they are missing.
test:
	@bash scripts/test.sh

# Broker, a hundred sensors, gateway and live results in one terminal.
demo:
	cargo run --release --example demo

# Benchmarks, each beside what it is compared with; ends with a table. Installs DuckDB into target/bench.
bench:
	@bash scripts/bench.sh
