# Needs make (3.81 is enough) and Python 3.11-3.13 with venv; everything else sets itself up in .venv.
# ARGS reaches the command behind a target:  make test ARGS="-k replay -x"

.DEFAULT_GOAL := help

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
BENCH := $(VENV)/.bench
ARGS  ?=

# The system's certificates: uv's own do not know a company's TLS proxy.
export UV_SYSTEM_CERTS := 1
# Every process of ours starts a second sooner when nothing has to be compiled first.
export UV_COMPILE_BYTECODE := 1
# The Python that is here, never one from elsewhere.
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := $(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

UV_RANGE := uv==0.13.*

# A pyenv shim or an Xcode stub can be on the PATH and run nothing, so each candidate is asked.
define FIND_PYTHON
for python in python3 python3.13 python3.12 python3.11 none; do \
  "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && break; \
done; \
if [ "$$python" = none ]; then echo "waybill: needs Python 3.11, 3.12 or 3.13 on the PATH as python3" >&2; exit 1; fi
endef

# pip before 24.2 trusts only the certificates it brings, unless it is told otherwise.
define FIND_CERTIFICATES
if [ -z "$$PIP_CERT$$REQUESTS_CA_BUNDLE" ] && ! $(BIN)/pip config get global.cert >/dev/null 2>&1; then \
  for bundle in "$$SSL_CERT_FILE" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do \
    if [ -f "$$bundle" ]; then PIP_CERT=$$bundle; export PIP_CERT; break; fi; \
  done; \
fi
endef

##@ Start here

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: $(READY) ## Install everything into .venv; every target that needs it does this by itself

.PHONY: demo
demo: $(READY) ## Start a stack, send real files all the way and compare the bytes
	@$(BIN)/waybill demo $(ARGS)

.PHONY: up
up: $(READY) ## Run everything on this machine, embedded services included; Ctrl-C drains
	@$(BIN)/waybill up $(ARGS)

##@ Change

.PHONY: test
test: $(READY) ## Run the tests
	@$(BIN)/pytest $(ARGS)

.PHONY: chaos
chaos: $(READY) ## Break everything under load, seeded (CHAOS_SEED), for some 15 minutes; prints what came of it
	@$(BIN)/pytest tests/chaos -m chaos -n 0 -k "long or failpoints" $(ARGS)

.PHONY: bench
bench: $(BENCH) ## Measure against plain floors and peers, for at most 10 minutes; ITEM=relay,age measures only those
	@$(BIN)/python -m tests.bench $(ITEM) $(ARGS)

.PHONY: lint
lint: $(READY) ## Check style, types, import directions, the compose file and the Dockerfile
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/hadolint Dockerfile && echo "Dockerfile: ok"

.PHONY: format
format: $(READY) ## Format the code and mend what ruff can
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

.PHONY: asyncapi
asyncapi: $(READY) ## Ask the official parser what it thinks of /asyncapi.json; needs node and npm
	@npm install --no-save --no-package-lock --ignore-scripts --silent @asyncapi/parser@3
	@$(BIN)/pytest tests/api/test_asyncapi.py -n 0 $(ARGS)

.PHONY: check
check: lint test ## Lint, then test

.PHONY: clean
clean: ## Remove .venv and every cache; the data in .waybill stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ One process each, on the services that WAYBILL_* names (or a running `make up`)

.PHONY: migrate
migrate: $(READY) ## Bring the database to the newest schema
	@$(BIN)/waybill migrate $(ARGS)

.PHONY: server
server: $(READY) ## Serve the HTTP API
	@$(BIN)/waybill api $(ARGS)

.PHONY: relay
relay: $(READY) ## Turn the outbox into Redis Streams
	@$(BIN)/waybill relay $(ARGS)

.PHONY: worker
worker: $(READY) ## Run the consumers
	@$(BIN)/waybill worker $(ARGS)

.PHONY: scheduler
scheduler: $(READY) ## Say hourly what is due
	@$(BIN)/waybill scheduler $(ARGS)

##@ With Docker

.PHONY: launch
launch: .env ## Build and run everything in containers: http://localhost:8000, mail on http://localhost:8025
	@docker compose version >/dev/null 2>&1 || { echo "waybill: needs Docker with its compose plugin; \`make up\` needs neither" >&2; exit 1; }
	@docker compose up --build $(ARGS)

RANDOM_KEY = $$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')

# An Ed25519 key as PASERK wants it: the seed, then the public key. Either is the end of its DER form.
define MAKE_SIGNING_KEY
pem=$$(openssl genpkey -algorithm ed25519) || { echo "waybill: needs an openssl that knows ed25519" >&2; exit 1; }; \
signing_key=$$( \
  { echo "$$pem" | openssl pkey -outform DER | tail -c 32; echo "$$pem" | openssl pkey -pubout -outform DER | tail -c 32; } \
  | base64 | tr '+/' '-_' | tr -d '=\n')
endef

# No prerequisite: an .env that exists is somebody's, and is never written again.
.env:
	@umask 077; $(MAKE_SIGNING_KEY); \
	sed -e "s/^WAYBILL_LOCAL_KEY=.*/WAYBILL_LOCAL_KEY=k4.local.$(RANDOM_KEY)/" \
	  -e "s/^WAYBILL_SECRET_KEY=.*/WAYBILL_SECRET_KEY=k4.secret.$$signing_key/" \
	  -e "s/^S3_SECRET_KEY=.*/S3_SECRET_KEY=$(RANDOM_KEY)/" .env.example >$@
	@echo "Wrote .env, with new keys"

$(READY): pyproject.toml uv.lock
	@$(FIND_PYTHON); \
	echo "Setting up $(VENV) (the first time takes about a minute)"; \
	if uv --version >/dev/null 2>&1; then uv=uv; else \
	  uv=$(BIN)/uv; \
	  if ! { $(BIN)/python -c '' && $$uv --version; } >/dev/null 2>&1; then \
	    "$$python" -m venv --clear $(VENV) || exit 1; \
	    $(FIND_CERTIFICATES); \
	    $(BIN)/pip install --quiet '$(UV_RANGE)' || exit 1; \
	  fi; \
	  python=$(BIN)/python; \
	fi; \
	"$$uv" sync --frozen --quiet --python "$$python" && touch $@

# What only the benchmarks need; whatever brings .venv up to date removes it again.
$(BENCH): $(READY)
	@if uv --version >/dev/null 2>&1; then uv=uv; else uv=$(BIN)/uv; fi; \
	"$$uv" sync --frozen --quiet --group bench && touch $@
