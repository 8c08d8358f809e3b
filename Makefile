# The commands of everyday work, each a line or two of what one would type. `make help` lists them.
# ARGS="..." goes to the program that a command runs: make run ARGS="--config my.yaml".
.DEFAULT_GOAL := help
.PHONY: run package package-test test browser languages bench format lint clean help packages
MAKEFLAGS += --no-print-directory

RELEASE := build/release
JOBS ?= $(shell nproc)

run: packages $(RELEASE)/build.ninja  ## build what is needed and start waldend with its defaults
	@echo "Building waldend in $(RELEASE) (the first time takes a few minutes) ..."
	@cmake --build $(RELEASE) --target waldend
	@exec scripts/run.sh $(RELEASE) $(ARGS)

package: packages $(RELEASE)/build.ninja  ## build Debian packages into build/packages
	@scripts/install-deps.sh package
	@scripts/build-packages.sh $(RELEASE)

package-test: package  ## install, use, upgrade and purge the packages in a Debian 12 chroot; needs root
	@scripts/install-deps.sh package-test
	ctest --test-dir $(RELEASE) -C package -L '^package$$' --no-tests=error --output-on-failure $(ARGS)

test: packages $(RELEASE)/build.ninja  ## build everything and run every test
	@scripts/install-deps.sh test
	cmake --build $(RELEASE)
	ctest --test-dir $(RELEASE) --output-on-failure -j $(JOBS) $(ARGS)

browser: packages $(RELEASE)/build.ninja  ## test the status page in headless Chromium, which it installs
	@scripts/install-deps.sh test browser
	cmake --build $(RELEASE) --target waldend walden
	ctest --test-dir $(RELEASE) -C browser -L '^browser$$' --no-tests=error --output-on-failure $(ARGS)

languages: packages $(RELEASE)/build.ninja  ## generate and use stubs in Go, Java, Rust, Python and Node
	cmake --build $(RELEASE) --target waldend
	scripts/try-languages.sh $(ARGS)

bench: packages $(RELEASE)/build.ninja  ## measure Walden beside its ceilings; JSON goes to build/bench.json
	cmake --build $(RELEASE) --target waldend walden_bench
	$(RELEASE)/bin/walden_bench --json build/bench.json $(ARGS)

format:  ## lay out every C++ file as .clang-format says
	@scripts/install-deps.sh dev
	git ls-files '*.cc' '*.h' | xargs clang-format -i

lint: packages  ## check layout, thread annotations, the API and clang-tidy
	@scripts/install-deps.sh dev proto
	scripts/lint.sh $(ARGS)

clean:  ## remove everything that was built
	rm -rf build

help:  ## show this
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1 \2/p' $(MAKEFILE_LIST) | \
	  while read -r name text; do printf '  make %-14s%s\n' "$$name" "$$text"; done

packages:
	@scripts/install-deps.sh build

build/%/build.ninja: | packages
	@echo "Configuring build/$* ..."
	@cmake --preset $*
