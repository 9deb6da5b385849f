.PHONY: test arm-test device-test device-arm64 fuzz demo bench

# Everything that must hold: format, lints, all tests, dependencies. Installs Debian's mosquitto and cargo-deny where they are missing.
test:
	@bash scripts/test.sh

# On 64- and 32-bit ARM: unit tests, end-to-end tests with a gateway of each, and their packages, by qemu-user.
arm-test:
	@bash cross/test.sh aarch64-unknown-linux-gnu armv7-unknown-linux-gnueabihf

# The package on a booted Debian: of this machine's architecture, which "test" does too, and of arm64, all of it run by qemu-user.
device-test:
	@bash scripts/device-test.sh
device-arm64:
	@bash scripts/device-test.sh arm64

# Random SQL, payloads, files and stored state, other ones each time, for MINUTES (10); prints the seed of what fails.
MINUTES ?= 10
fuzz:
	TIDEMILL_FUZZ_SECONDS=$$(($(MINUTES) * 60 * 2)) cargo test --locked --test fuzz -- --test-threads 2

# Broker, a hundred sensors, gateway and live results in one terminal.
demo:
	cargo run --release --example demo

# Benchmarks, each beside what it is compared with; ends with a table. Installs DuckDB into target/bench.
bench:
	@bash scripts/bench.sh
