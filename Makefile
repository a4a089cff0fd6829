# `make demo` and `make test` are all that a new user needs; both install what they need first.
PYTHON ?= python3
ARGS ?=
PROMETHEUS ?= http://127.0.0.1:9090
VENV := .venv
BIN := $(VENV)/bin
PREVIEW := grafana/preview

.PHONY: demo test unit lint lock docs secrets preview clean

demo: $(VENV)/demo
	$(BIN)/sales-exporter up $(ARGS)

test: lint
	$(BIN)/python -m pytest $(ARGS)

unit: $(VENV)/dev
	$(BIN)/python -m pytest -q --hypothesis-profile=quick -m "not (postgres or stack or process or slow or browser)" $(ARGS)

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --explicit-package-bases -p grafana.source

docs: $(VENV)/dev
	$(BIN)/python -m sales_exporter.catalogue .

secrets: $(VENV)/demo
	$(BIN)/sales-exporter secrets --out secrets

# Draws the dashboards without Grafana, over the Prometheus of `make demo` or another. Nothing else here needs Node.js.
preview: $(PREVIEW)/dist/index.html
	node $(PREVIEW)/server.mjs --prometheus $(PROMETHEUS) $(ARGS)

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

# A linked folder belongs to another checkout.
$(PREVIEW)/node_modules/.installed: $(PREVIEW)/package-lock.json
	@command -v npm > /dev/null || { \
	  echo "The preview of the dashboards needs Node.js 20 or newer with npm; on Debian and Ubuntu: apt-get install npm" >&2; exit 1; }
	test -L $(PREVIEW)/node_modules || npm ci --silent --prefix $(PREVIEW)
	touch $@

$(PREVIEW)/dist/index.html: $(PREVIEW)/node_modules/.installed $(PREVIEW)/build.mjs $(PREVIEW)/index.html $(shell find $(PREVIEW)/src -type f)
	node $(PREVIEW)/build.mjs
	touch $@

clean:
	rm -rf $(VENV) $(PREVIEW)/node_modules $(PREVIEW)/dist .sales-exporter .mypy_cache .ruff_cache .pytest_cache
