# Two commands from a fresh clone: `make demo` and `make test`. Without a goal, the list of goals.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := build/demo

.PHONY: help demo test check lint types format cov golden fixtures bench docs site package clean real fuzz lowest newest peers

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

demo: $(STAMP)  ## scan a benign and a malicious repository, write their BOMs to build/demo
	@$(BIN)/python fixtures/demo.py $(DEMO)
	@printf '\n$$ aibom scan $(DEMO)/benign\n'
	@$(BIN)/aibom scan $(DEMO)/benign -o table -o cyclonedx=$(DEMO)/benign.cdx.json
	@printf '\n$$ aibom scan $(DEMO)/malicious\n'
	@$(BIN)/aibom scan $(DEMO)/malicious -o table -o cyclonedx=$(DEMO)/malicious.cdx.json; \
	  code=$$?; test $$code -eq 1 || { echo "expected exit code 1, got $$code"; exit 1; }
	@printf '\nexit code 1, as it should be; the BOMs:\n'; ls -1 $(DEMO)/*.cdx.json

test: $(STAMP)  ## run the tests
	$(BIN)/pytest -n auto --dist loadfile

cov: $(STAMP)  ## run the tests and hold branch coverage of src at its gate
	$(BIN)/pytest -n auto --dist loadfile --cov --cov-report=term

lint: $(STAMP)  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)  ## mypy, strict
	$(BIN)/mypy

golden: $(STAMP)  ## write the golden files anew; read the difference before you commit it
	AIBOM_UPDATE_GOLDEN=1 $(BIN)/pytest -q tests/emitters tests/e2e

fixtures: $(STAMP)  ## what the tests read and git does not hold
	$(BIN)/python fixtures/fetch.py build/fixtures

package: $(STAMP)  ## build the wheel and run it in an environment of its own
	rm -rf build/package && mkdir -p build/package
	$(BIN)/python -m build --outdir build/package .
	$(PYTHON) -m venv build/package/venv
	build/package/venv/bin/python -m pip install --quiet --disable-pip-version-check build/package/*.whl
	cd build/package && venv/bin/aibom --version && venv/bin/aibom scan ../../fixtures/real/transformers/tiny-llama-chat -o table -o cyclonedx=bom.json -o html=report.html -o spdx=spdx.json >/dev/null

docs: $(STAMP)  ## generate the parts of docs/ that come from the code, and check the rest against it
	$(BIN)/python tools/generate_docs.py
	$(BIN)/python tools/scorecard.py
	$(BIN)/pytest -q tests/test_docs.py

site: $(STAMP)  ## build the documentation as a web site into site/; a broken link is an error
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(STAMP)  ## measure, side by side with peers, and write bench/RESULTS.md
	$(BIN)/python bench/run.py

peers: $(STAMP)  ## give picklescan, modelscan, fickling and modelaudit the same files, and write docs/peers.md (minutes)
	$(BIN)/python -m tools.peers
	$(BIN)/pytest -q -m real tests/e2e/test_peers.py

fuzz: $(STAMP)  ## feed every reader with a fuzzer's bytes, SECONDS for each target (needs atheris)
	$(BIN)/python fuzz/readers.py $(or $(SECONDS),60)

# $(1): the environment's name; $(2): which versions are taken.
define core_tests
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv venv --quiet --allow-existing build/$(1)
	VIRTUAL_ENV=build/$(1) $(BIN)/uv pip install --quiet --upgrade --resolution $(2) --editable . \
	  "pytest>=8.3" "hypothesis>=6.120" "jsonschema>=4.23" "lxml>=5" "numpy>=1.26" "sqlalchemy>=2.0.31"
	build/$(1)/bin/python -m pytest -q -p no:cacheprovider tests/test_cache.py tests/test_history.py tests/cli \
	  tests/emitters tests/sources/test_local.py tests/sources/test_hub.py tests/resolvers tests/inspectors/test_pickles.py
endef

lowest: $(STAMP)  ## run the core tests with the lowest supported version of every dependency
	$(call core_tests,lowest,lowest-direct)

newest: $(STAMP)  ## run the core tests with the newest version of every dependency that is allowed
	$(call core_tests,newest,highest)

real:  ## write and read files with the libraries themselves: torch, transformers, scikit-learn, Keras ... (2 GB)
	$(PYTHON) -m venv build/real
	build/real/bin/python -m pip install --quiet --disable-pip-version-check --editable . \
	  --requirement fixtures/real/requirements.txt "pytest>=8.3" "hypothesis>=6.120"
	build/real/bin/python fixtures/real/check.py --load
	build/real/bin/python -m pytest -q -p no:cacheprovider -m real

check: lint types package docs cov  ## everything that must be green before a commit lands

clean:  ## remove what was built
	rm -rf build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
