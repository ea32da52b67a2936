# `make run` and `make test` set up .venv by themselves; PYTHON picks another interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test quick lint types docs all clean

run: $(VENV)/.ready
	$(BIN)/dubbench run --out runs/quick

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n auto --dist loadfile

# The fast tests: pure functions, the tiny model, one clip through everything.
quick: $(VENV)/.ready
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not long and not slow and not weights"

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/import_rules.py

types: $(VENV)/.ready
	$(BIN)/mypy -p dubbench

# The documentation with its API reference, built strictly, in build/site.
docs: $(VENV)/.ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip "setuptools<81" wheel
	rm -rf *.egg-info  # a stale one would hide new entry points
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info runs
