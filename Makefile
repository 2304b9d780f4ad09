# SPDX-License-Identifier: MIT
# A front of short names; the work is done by meson and the scripts.

PREFIX ?= /usr/local
DESTDIR ?=
ACCEL ?= tcg

all:
	@scripts/setup build
	@scripts/build release

demo:
	@scripts/setup demo
	@scripts/build release
	@scripts/lab --quiet
	@ACCEL=$(ACCEL) scripts/demo

demo-gpu:
	@scripts/setup demo
	@scripts/build release
	@scripts/lab --quiet
	@scripts/demo-gpu

test:
	@scripts/setup build test lab
	@scripts/build release
	@scripts/build asan
	@scripts/lab --quiet
	@tests/run

test-long:
	@scripts/setup build test lab
	@scripts/build release
	@scripts/build asan
	@scripts/build tsan
	@scripts/lab --quiet
	@tests/run long

bench: all
	@scripts/bench

fuzz:
	@scripts/setup build fuzz
	@scripts/build fuzz
	@scripts/fuzz

coverage:
	@scripts/setup build test
	@scripts/coverage

asan tsan:
	@scripts/setup build test
	@scripts/build $@
	@tests/run $@

format:
	@scripts/setup format
	@git ls-files '*.c' '*.h' | xargs clang-format -i

lint: all
	@meson test -C build/release --suite lint --print-errorlogs

install:
	@scripts/build release
	@meson configure build/release --prefix '$(PREFIX)'
	@DESTDIR='$(DESTDIR)' meson install -C build/release

# Into build/deb.
deb:
	@scripts/setup deb
	@scripts/deb

clean:
	rm -rf build/release build/asan build/tsan build/fuzz

help:
	@echo 'make          build into build/release, installing missing packages first'
	@echo 'make demo     boot a guest on a vGPU and save a picture of its screen (ACCEL=kvm: faster)'
	@echo 'make demo-gpu four programs and a VM share a GPU by weights: a table, a plot'
	@echo 'make test     the tests; tests/run SUITE runs one suite of them (tests/run --help)'
	@echo 'make test-long what takes long: whole kernels under sanitizers, more kernels, kills, all of tsan'
	@echo 'make bench    measure'
	@echo 'make fuzz     fuzz what reads the wire'
	@echo 'make coverage which lines of the wire and the device the tests reach'
	@echo 'make asan     tests under the address and undefined-behaviour sanitizers'
	@echo 'make tsan     tests under the thread sanitizer'
	@echo 'make format   clang-format on all C files'
	@echo 'make lint     layers and style'
	@echo 'make install  honours DESTDIR and PREFIX'
	@echo 'make deb      Debian packages, into build/deb'
	@echo 'make clean    removes builds; build/lab with QEMU and kernels stays'

.PHONY: all demo demo-gpu test test-long bench fuzz coverage asan tsan format lint install deb clean help
