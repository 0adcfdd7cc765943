# The developers' manual.  Every target makes its own environment in .venv when there is none.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# A start of rsp costs twice as much where its bytecode is not kept, and tests start it a thousand times.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run compile collected test test-pure test-tls soak test-deploy check lint prose docs docs-site pictures man fuzz bench bench-quick bench-http2 bench-balancing bench-operations bench-lua bench-filters bench-files bench-instructions bench-memory bench-tick instructions wheel sdist deb clean

# Where nothing is compiled, rsp runs in pure Python: the first answer does not wait for a compiler.
COMPILED := $(wildcard rsp/_compiled*.so)

run: .venv/installed $(if $(COMPILED),.venv/built)     ## demo backends, rsp -w 4 rsp.lua in front of them, and a page to try it on
	@$(if $(COMPILED),,echo 'Running the Python sources.  "make compile" makes rsp several times faster; it takes about two minutes')
	@$(BIN)/rsp demo -w 4 rsp.lua

compile: .venv/built     ## compile the hot path in place, about two minutes; needs a C compiler and Python.h

# Six at a time, even on two cores: most tests wait.  Those that measure the machine have it for themselves.
TOGETHER := -m "not alone and not soak"
SIDE_BY_SIDE := -n 6 $(TOGETHER)
ALONE = -m "alone and not soak" $(shell grep -rl --include="test_*.py" "mark\.alone" tests)

# A test that fails beside five others is run once more, by itself, and named: a failure of the machine passes, one of
# rsp fails again.
by_itself = { [ $$? = 1 ] && echo "Running the failed tests once more, one by one:" && $(BIN)/python -m pytest --last-failed --last-failed-no-failures none -x -v $(1); }

collected: .venv/installed-dev .venv/built     ## what pytest and Hypothesis make of new test files, once instead of in each process
	@$(BIN)/python -m pytest --collect-only -qq >.venv/collected || { cat .venv/collected; exit 1; }

test: .venv/installed-dev .venv/built     ## all tests; those that need nginx, wget and ab are skipped where they are missing
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) || $(call by_itself,$(TOGETHER))
	$(BIN)/python -m pytest $(ALONE) || $(call by_itself,$(ALONE))

PURE = $(shell $(BIN)/python -m tests.pure)

test-pure: export RSP_PURE = 1
test-pure: .venv/installed-dev     ## the tests of the data plane again, without the compiled modules
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(PURE) || $(call by_itself,$(TOGETHER) $(PURE))

# What a client sees of HTTP; -rs says which tests cannot run over TLS, and why.  `make soak` runs the rest as well.
SEEN_BY_CLIENTS := $(addprefix tests/process/test_,$(addsuffix .py,http early_answers trailers))
SEEN_SELDOM := $(addprefix tests/process/test_,$(addsuffix .py,serving large_messages slow_streams hooks clients_that_leave \
  connections_ahead flawed_responses forwarded_fields header_rules stale_connections upgrades connection_auth framing_after_hooks leftovers own_answers stores turns))

test-tls: .venv/installed-dev .venv/built     ## the tests of HTTP again, with clients that speak TLS
	RSP_TEST_TLS=1.3 $(BIN)/python -m pytest -rs $(SIDE_BY_SIDE) $(SEEN_BY_CLIENTS)

soak: .venv/installed-dev .venv/built     ## what takes long, half an hour: floods, a million requests, a browser, many examples; before a release
	RSP_SOAK=1 $(BIN)/python -m pytest -n 2 -m "soak or hypothesis" -o timeout=3000
	for version in 1.2 1.3; do \
	  RSP_TEST_TLS=$$version $(BIN)/python -m pytest $(SIDE_BY_SIDE) $(SEEN_BY_CLIENTS) $(SEEN_SELDOM) || exit 1; \
	done

check: lint test test-pure     ## what has to be green before a commit

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m prose

prose: .venv/installed-dev     ## the prose linter: words, terms, sentences, lines of Markdown; FILES="docs/tls.md ...": these alone
	@$(BIN)/python -m prose $(FILES)

docs: .venv/installed     ## write docs/configuration.md and the annotations for editors from the schema
	$(BIN)/python -m rsp.config.reference > docs/configuration.md
	$(BIN)/python -m rsp.config.annotations > rsp/lua/annotations/configuration.lua

docs-site: .venv/installed-dev     ## the documentation as a site in build/site, with all links checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

man: .venv/installed     ## write the manual pages rsp(1), rspctl(1) and rsp.lua(5) into build/man
	$(BIN)/rsp man -d build/man

pictures: .venv/installed-dev .venv/built     ## record the pictures of the README anew; needs Chromium, pdftocairo and the ports of the demo
	$(BIN)/python -m docs.pictures.record

FUZZ ?= http1

fuzz: .venv/built     ## mutate the kept corpus of HTTP/1 until Ctrl-C; failures stay there; FUZZ=compression: heads of HTTP/2
	$(BIN)/python fuzz/$(FUZZ).py

bench: .venv/installed-dev .venv/built     ## rsp beside nginx and HAProxy, without TLS and with it, half an hour; writes docs/benchmarks.md
	$(BIN)/python -m bench --document docs/benchmarks.md

bench-quick: .venv/installed-dev .venv/built     ## the same in two minutes, to the screen; python -m bench tls: TLS alone
	$(BIN)/python -m bench --quick

bench-http2: .venv/installed-dev .venv/built     ## HTTP/2 beside nginx, HAProxy, nghttpx and h2o, ten minutes; writes the tables of docs/benchmarks.md
	$(BIN)/python -m bench http2 --document docs/benchmarks.md

bench-balancing: .venv/installed-dev .venv/built     ## policies, failures and hedging, five minutes; writes the tables of docs/balancing.md
	$(BIN)/python -m bench.balancing

bench-operations: .venv/installed-dev .venv/built     ## reloads and upgrades beside nginx and HAProxy, two minutes; writes the table of docs/operations.md
	$(BIN)/python -m bench.operations

bench-lua: .venv/installed-dev .venv/built     ## what hooks cost, beside nginx's Lua module; harm and endurance, seven minutes; writes the tables of docs/lua.md
	$(BIN)/python -m bench.lua --document docs/lua.md

bench-filters: .venv/installed-dev .venv/built     ## what each filter costs, beside nginx doing the same; writes a table of docs/benchmarks.md, eight minutes
	$(BIN)/python -m bench.filters --document docs/benchmarks.md

bench-files: .venv/installed-dev .venv/built     ## files, ranges and gzip beside nginx; writes a table of docs/benchmarks.md, six minutes
	$(BIN)/python -m bench.files --document docs/benchmarks.md

# nginx takes a variable NGINX for the sockets of a former nginx.
unexport NGINX HAPROXY

bench-instructions: .venv/installed-dev .venv/built     ## instructions of a request beside nginx and HAProxy (NGINX=, HAPROXY=: the programs); writes a table of docs/benchmarks.md, ten minutes
	$(BIN)/python -m bench.instructions $(if $(NGINX),--nginx $(NGINX)) $(if $(HAPROXY),--haproxy $(HAPROXY)) --document docs/benchmarks.md

bench-memory: .venv/installed-dev .venv/built     ## memory of processes, connections, peers and routes beside nginx (NGINX=); writes tables of docs/benchmarks.md, five minutes
	$(BIN)/python -m bench.memory $(if $(NGINX),--nginx $(NGINX)) --document docs/benchmarks.md

bench-tick: .venv/installed-dev .venv/built     ## what a worker does once a second, by turn of its loop; writes a table of docs/benchmarks.md, one minute
	$(BIN)/python -m bench.tick --document docs/benchmarks.md

instructions: .venv/installed-dev .venv/built     ## record the instructions of a request, with which make test compares; CFLAGS=-Og, as in CI
	$(BIN)/python -m tests.unit.instruction_count

test-deploy: .venv/installed-dev     ## deploy/ in real containers: needs root, podman, runc, netavark, aardvark-dns and perhaps debootstrap
	$(PIP) podman-compose
	RSP_TEST_DEPLOY=1 $(BIN)/python -m pytest tests/deploy

wheel: .venv/built     ## a wheel with the compiled modules and the manual pages, in dist/
	@find rsp -name '*.so' | grep -q . || { echo "make wheel: there are no compiled modules, so no wheel is built" >&2; exit 1; }
	@$(MAKE) --no-print-directory man
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps --wheel-dir dist .

sdist: .venv/installed     ## the sources as pip installs them, in dist/: needs no git; pip compiles them where there is a compiler
	$(BIN)/python setup.py --quiet sdist

deb: wheel     ## a Debian package for the release on which it is built, in dist/; needs Debian's python3 and binutils
	@deploy/debian/build.sh $(BIN)/python

clean:
	rm -rf .venv build bench/build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find rsp -name '*.so' -delete

# Installed without its compiled modules, which are then made in place: each step says what it does, and nothing is
# compiled a second time.
.venv/installed: pyproject.toml setup.py
	@[ -x $(BIN)/pip ] || { echo "Creating .venv"; $(PYTHON) -m venv .venv; }
	@echo "Installing the dependencies"
	@$(PIP) "cython>=3.1" "setuptools>=77"
	@RSP_PURE=1 $(PIP) --no-build-isolation -e .
	@touch $@

.venv/installed-dev: .venv/installed
	@echo "Installing what tests, lint and benchmarks need"
	@RSP_PURE=1 $(PIP) --no-build-isolation -e .[dev]
	@touch $@

# Only modules whose sources have changed.  Without a compiler, setup.py says so, and the next run tries again.
.venv/built: $(shell find rsp -name '*.py' -o -name '*.px[ydi]*' -o -name '*.c') | .venv/installed
	@env -u RSP_PURE $(BIN)/python setup.py --quiet build_ext --inplace
	@if find rsp -name '*.so' | grep -q .; then touch $@; fi
