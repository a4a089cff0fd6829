# `make demo` and `make test` are all that a new user needs; both install what they need first.
PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test unit lint lock docs secrets clean

demo: $(VENV)/demo
	$(BIN)/sales-exporter up $(ARGS)

test: lint
	$(BIN)/python -m pytest $(ARGS)

unit: $(VENV)/dev
	$(BIN)/python -m pytest -q --hypothesis-profile=quick -m "not (postgres or stack or process or slow)" $(ARGS)

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --explicit-package-bases -p grafana.source

docs: $(VENV)/dev
	$(BIN)/python -m sales_exporter.catalogue .

secrets: $(VENV)/demo
	$(BIN)/sales-exporter secrets --out secrets

# Lock files carry hashes, not addresses.
lock: $(VENV)/dev
	$(BIN)/python -m pip install --quiet uv
	for extra in server app demo dev; do \
	  $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --no-emit-index-url \
	    --python-version 3.11 --extra build --extra $$extra --output-file requirements/$$extra.lock pyproject.toml; done
	echo 'fastapi==0.122.0 starlette==0.50.0' | tr ' ' '\n' | $(BIN)/uv pip compile --quiet --universal \
	  --generate-hashes --no-annotate --no-header --no-emit-index-url --no-deps --python-version 3.11 \
	  --output-file requirements/older.lock -

$(VENV)/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python cannot make environments here; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	touch $@

$(VENV)/demo: $(VENV)/python requirements/demo.lock pyproject.toml
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements/demo.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	touch $@

# FastAPI and Starlette of a year ago stand beside the newest ones: the instrumentation is tested with both.
$(VENV)/dev: $(VENV)/python requirements/dev.lock requirements/older.lock pyproject.toml
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	rm -rf $(VENV)/older
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --require-hashes \
	  --target $(VENV)/older -r requirements/older.lock
	touch $@ $(VENV)/demo

clean:
	rm -rf $(VENV) .sales-exporter .mypy_cache .ruff_cache .pytest_cache
