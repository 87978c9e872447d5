# Everything sets itself up: a fresh machine needs Python 3.11 or newer with venv, and make.
.DEFAULT_GOAL := help
.PHONY: help demo test check format lint types contract bench crash contact-sheet test-oldest test-camera
.PHONY: test-packages test-updates test-home-assistant test-home-assistant-newest test-node-red deb clean
.PHONY: faults machine-faults soak fuzz audit

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# On a Raspberry Pi picamera2 and libcamera are the system's packages: the environment sees them.
SYSTEM_CAMERA := $(shell $(PYTHON) -c 'import importlib.util as u; print("--system-site-packages" if u.find_spec("picamera2") else "")' 2>/dev/null)

help: ## Show this
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 28

$(BIN)/.demo: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(SYSTEM_CAMERA) $(VENV)
	@echo "Installing edge-agent into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(BIN)/.dev: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(SYSTEM_CAMERA) $(VENV)
	@echo "Installing edge-agent and its development tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(BIN)/.demo

demo: $(BIN)/.demo ## Run it all here: broker, simulated camera, stream, snapshots, live on the screen
	@$(BIN)/edge-agent demo $(ARGS)

test: $(BIN)/.dev ## Run the tests
	@$(MAKE) --no-print-directory run-tests PYTEST='$(BIN)/python -m pytest'

# Two at once, then those that look at the whole machine; 5 is pytest's word for nothing to run. One that crashes
# ends the run: put in its place, another would wait for ever for what the first had yet to do.
.PHONY: run-tests
run-tests:
	@$(PYTEST) -n 2 --max-worker-restart 0 --dist loadfile -m 'not alone' $(ARGS) || [ $$? = 5 ]
	@$(PYTEST) -m alone $(ARGS) || [ $$? = 5 ]

check: format lint types contract-check test check-audit ## Every check there is, as CI runs it

format: $(BIN)/.dev
	@$(BIN)/ruff format --check --quiet . || { echo "Badly formatted: run '$(BIN)/ruff format .'"; exit 1; }

lint: $(BIN)/.dev
	@$(BIN)/ruff check --quiet .
	@if command -v shellcheck >/dev/null; then \
	  grep -rlIE '^#!.*[/ ](ba)?sh$$' .ci systemd tests | xargs shellcheck --external-sources; \
	else echo "shellcheck is missing, the shell scripts were not looked at; try: apt-get install shellcheck"; fi

types: $(BIN)/.dev
	@$(BIN)/mypy --no-error-summary

contract: $(BIN)/.dev ## Write the published contract into topics/
	@$(BIN)/edge-agent contract topics
	@$(BIN)/python -m edge_agent.client_source && $(BIN)/ruff format --quiet edge_agent/client/commands.py

examples: $(BIN)/.dev ## Write topics/examples anew, from a real run (takes mosquitto)
	@$(BIN)/python -m tests.examples topics

.PHONY: examples contract-check
contract-check: $(BIN)/.dev
	@$(BIN)/edge-agent contract --check topics
	@$(BIN)/edge-agent contract --compatible-with topics/released
	@$(BIN)/python -m edge_agent.client_source --check

bench: $(BIN)/.dev ## Measure latency, start, memory and CPU beside their yardsticks; some minutes
	@$(BIN)/python -m tests.bench $(ARGS)

crash: $(BIN)/.dev ## Kill an uploader and a whole agent 500 times, count what is kept; half an hour; ARGS='uploader'
	@$(BIN)/python -m tests.crash $(ARGS)
faults: $(BIN)/.dev ## Break the stream's server in every way, slowly; MEDIAMTX_EXECUTABLE names a MediaMTX
	@$(BIN)/python -m tests.faults $(ARGS)

machine-faults: $(BIN)/.dev ## Break the machine and its broker in every way, slowly; namespaces take root; some minutes
	@$(BIN)/python -m tests.machine_faults $(ARGS)

soak: $(BIN)/.dev ## Run for an hour with random faults and look for leaks and gaps; ARGS='--minutes 10'
	@$(BIN)/python -m tests.soak $(ARGS)
fuzz: $(BIN)/.dev ## Send 100,000 hostile messages to an agent and look at its answers and its memory; minutes
	@$(BIN)/python -m tests.fuzz $(ARGS)

audit: $(BIN)/.dev ## Compare the dependencies with the public advisories; takes the network
	@$(BIN)/python -m tests.audit $(ARGS)

# 77: the advisories could not be asked, which it has said; no reason why a change could not be checked.
.PHONY: check-audit
check-audit: $(BIN)/.dev
	@$(BIN)/python -m tests.audit || [ $$? = 77 ]

contact-sheet: $(BIN)/.demo ## A picture before and after each control of the simulated camera: contact-sheet.jpg
	@$(BIN)/python -m edge_agent.demo.contact_sheet contact-sheet.jpg

test-oldest: ## Run the tests with the oldest versions that are supported (Debian 13's)
	@test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	@.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check --constraint tests/oldest.txt --editable '.[dev]'
	@$(MAKE) --no-print-directory run-tests PYTEST='.venv-oldest/bin/python -m pytest'

test-camera: ## Run the camera tests on the real picamera2 with a virtual camera (takes root and debootstrap)
	@tests/virtual_camera/run $(ARGS)

test-packages: ## Install, run, upgrade and purge the packages in clean Debian roots (takes root and debootstrap)
	@tests/packages/run $(ARGS)

test-updates: ## Update the agent in a clean Debian root, and have a broken version taken back (takes the same)
	@tests/packages/update

deb: $(BIN)/.demo ## Build the Debian package into dist/
	@PYTHON=$(BIN)/python systemd/build-deb.sh
test-home-assistant: $(BIN)/.dev ## Run a real Home Assistant beside a broker and an agent (takes Python 3.13 and PyPI)
	@PYTHON=$(abspath $(BIN))/python tests/real_home_assistant/run $(ARGS)
test-home-assistant-newest: $(BIN)/.dev ## The same with the newest one, in a Debian root of its own (takes root and debootstrap)
	@PYTHON=$(abspath $(BIN))/python tests/real_home_assistant/newest $(ARGS)
test-node-red: $(BIN)/.dev ## Run the Node-RED flows in a real Node-RED, and their page in a browser
	@PYTHON=$(abspath $(BIN))/python tests/node_red/run $(ARGS)

clean: ## Remove what was made here
	@rm -rf $(VENV) .venv-oldest build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
