# The two commands: `make repro` runs the pipeline, `make test` passes the tests. Both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1
export NO_MKDOCS_2_WARNING := 1

.PHONY: repro test test-gpu test-compose bench-gpu fuzz lint secrets audit docs reference soak soak-repro up deploy preflight setup requirements

repro: setup ## reproduce the pipeline that params.yaml describes
	@hflow check
	@if ! test -e models/dvc.yaml && ! { test -e .hflow/unpushed && test -n "$$(dvc remote list)"; } && dvc status --quiet --with-deps evaluate; then echo "nothing has changed since the last run"; else python -m flows.sim2real; fi
	@echo "done: open reports/index.html"

test: setup ## run all tests
	pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-gpu: ## the tests that need a GPU, in three minutes; without a virtual environment, by the Python that is there
	python3 -m pytest -m gpu -rs -p no:cacheprovider tests/gpu

test-compose: setup ## run the services of deploy/compose.yaml here by their own commands, as root, in two minutes
	HFLOW_TEST_COMPOSE=1 pytest tests/deploy

bench-gpu: ## the tables of docs/why/performance.md for a GPU, in nine minutes: bench/bench.json, bench/bench.md
	python3 -m hflow bench --device cuda --rounds 20 --minutes 8 --suite bench

soak: setup ## kill a translation at random, again and again, and compare (some minutes)
	python -m tests.soak

soak-repro: setup ## kill the whole pipeline thirty times, at random in each stage, and compare (half an hour)
	python -m tests.repro_soak

fuzz: setup ## damaged and made-up files and requests to all that reads them, for three minutes
	python -m tests.fuzz

lint: setup ## style, types, which room may import which, and the lines of the documentation
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	mdformat --check *.md docs

secrets: setup ## passwords, keys and tokens in the repository's files; named are those that examples and tests make up, and pictures
	git ls-files -z | xargs -0 detect-secrets-hook --no-verify --exclude-secrets '^(PASSWORD|sEcret99|a long password|a secret|(iVBORw0KGgo|/9j/).*)$$'

audit: secrets ## the same, and the advisories of every pinned package; fails where the package index has none to ask for
	@advisories=$$(pip-audit --strict --no-deps --disable-pip --progress-spinner off -r requirements.txt) || { \
		echo "$${advisories:-nothing has been audited: no answer about every package, as from a mirror of the index}"; exit 1; }

docs: setup ## the documentation as a site in site/; a broken link or a page that no part of it names is an error
	mkdocs build --strict

reference: setup ## write the pages of the commands and of params.yaml again, from the code
	python -m docs.reference.generate

up: setup ## a Prefect server, an MLflow server and workers on this machine, until Ctrl-C
	@python -m flows.up

deploy: setup ## register the deployments with the servers of `make up`, or with those that PREFECT_API_URL names
	@python -m flows.deploy

preflight: ## what this machine lacks for deploy/compose.yaml; needs Python alone
	@python3 -m deploy.preflight

setup: $(VENV)/.installed ## a virtual environment with pinned dependencies

$(VENV)/.installed: requirements.txt pyproject.toml
	@command -v git >/dev/null || { echo "git is needed: install it first"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --compile-bytecode -r requirements.txt
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --no-deps -e .
	@touch $@

requirements: ## pin the dependencies again
	uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-header \
		--extra pipeline --extra servers --group dev pyproject.toml -o requirements.txt
