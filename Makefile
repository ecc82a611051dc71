# The only commands a user types; `make` alone lists them.
#
#   PYTHON=/path/to/python3.12        builds .venv with this Python, 3.11 or newer, instead of the first one found
#   WORKERS=4                         tests run in so many processes (2 by default)
#   ARGS="--no-browser --port 8899"   goes to JupyterLab (make lab) or to the benchmarks (make bench)
#   FROM=../older-folder              make update takes the answers from there, and not from git

.DEFAULT_GOAL := help
.PHONY: help lab test test-thorough test-browser check lessons reconcile update slides bench solutions FORCE

PYTHON_BIN := .venv/bin/python
WORKERS ?= 2
# Files side by side, each with one thread: two workers with two threads each would wait for one another most of the time.
IN_PARALLEL := -n $(WORKERS) --dist loadfile
# Only NN_name is a lesson; whatever else lies in these folders ("Untitled.ipynb", "01_name-Copy1.ipynb") is the reader's own.
IS_LESSON := LC_ALL=C grep -E '^[0-9][0-9](_[a-z0-9]+)+\.(py|ipynb)$$' | LC_ALL=C sort
TEXTS := $(addprefix lessons_src/,$(shell ls lessons_src 2>/dev/null | $(IS_LESSON)))
NOTEBOOKS := $(addprefix notebooks/,$(shell ls notebooks 2>/dev/null | $(IS_LESSON)))
FIRST_LESSON := $(firstword $(NOTEBOOKS))
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

# A relative path is meant from here, and a notebook's kernel runs in notebooks/.
ifneq ($(WORKBOOK_DATA),)
export WORKBOOK_DATA := $(shell cd "$(WORKBOOK_DATA)" 2>/dev/null && pwd || echo "$(WORKBOOK_DATA)")
endif
ifneq ($(WORKBOOK_PROGRESS),)
export WORKBOOK_PROGRESS := $(if $(filter /% ~%,$(firstword $(WORKBOOK_PROGRESS))),,$(CURDIR)/)$(WORKBOOK_PROGRESS)
endif

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

lab: .venv/complete ## install what is missing, then open the first lesson in JupyterLab
ifneq ($(NOTEBOOKS),)
	@$(PYTHON_BIN) -m helpers.exercises.lessons reconcile || echo "==> the lessons named above stay as they are"
endif
	@echo "==> JupyterLab on $(or $(FIRST_LESSON),this folder); Ctrl-C, then y, stops it"
	@exec $(PYTHON_BIN) -m jupyterlab --ServerApp.root_dir="$(CURDIR)" \
	  $(if $(FIRST_LESSON),--LabApp.default_url=/lab/tree/$(FIRST_LESSON)) $(AS_ROOT) $(ARGS)

test: .venv/complete ## install what is missing, then run the unit tests and every notebook in smoke mode
	@echo "==> unit tests"
	@OMP_NUM_THREADS=1 $(PYTHON_BIN) -m pytest $(IN_PARALLEL)
ifeq ($(NOTEBOOKS),)
	@echo "==> no notebooks yet: none to run in smoke mode"
else
	@echo "==> every cell of $(words $(NOTEBOOKS)) notebook(s), in smoke mode"
	@WORKBOOK_SMOKE=1 WORKBOOK_PROGRESS=/dev/null OMP_NUM_THREADS=1 $(PYTHON_BIN) -m pytest $(IN_PARALLEL) --nbval-lax --nbval-cell-timeout=120 $(NOTEBOOKS)
endif

test-thorough: .venv/complete ## for authors: hundreds of wrong answers to every exercise, and right ones on a busy machine
	@OMP_NUM_THREADS=1 $(PYTHON_BIN) -m pytest -m thorough -n $(WORKERS) --dist worksteal

test-browser: .venv/complete ## every lesson in JupyterLab and every deck, in headless Chromium, which must be installed
	@echo "==> decks in a browser side by side, then lessons one by one: their explorers are timed"
	@$(PYTHON_BIN) -m pytest -m browser -n $(WORKERS) --dist loadgroup tests/browser/test_decks.py; decks=$$?; \
	  $(PYTHON_BIN) -m pytest -m browser tests/browser/test_lessons.py && exit $$decks

check: .venv/complete ## for authors: style, format and types of the code, and lessons as they are committed
	@echo "==> ruff check, ruff format, mypy, texts and notebooks"
	@$(PYTHON_BIN) -m ruff check && $(PYTHON_BIN) -m ruff format --check && $(PYTHON_BIN) -m mypy && \
	  $(PYTHON_BIN) -m pytest -m repository

# A notebook that holds what this command did not write is left as it is. The module says which cells, and keeps a copy.
lessons: .venv/complete ## for authors: bring notebooks/ up to date with lessons_src/
ifeq ($(TEXTS),)
	@echo "==> no lessons in lessons_src/ yet: nothing to bring up to date"
else
	@$(PYTHON_BIN) -m helpers.exercises.lessons write
endif

reconcile: .venv/complete ## bring text and notebook of each lesson together again, with what was written in either
	@$(PYTHON_BIN) -m helpers.exercises.lessons reconcile

update: .venv/complete ## get new lessons and a new version, and keep your answers (FROM=FOLDER: take them from there)
	@$(PYTHON_BIN) -m helpers.exercises.lessons $(if $(FROM),carry "$(FROM)",update)

# slides/ is a folder too, hence .PHONY. A lesson's results are kept in slides/build/.cache for as long as nothing they depend on changes.
slides: .venv/complete ## run the lessons, where they have changed, and build a deck and a handout of each in slides/build/
	@$(PYTHON_BIN) -m slides.build

solutions: .venv/complete ## write the teacher's notebooks, with every solution, to notebooks/solutions/
	@$(PYTHON_BIN) -m helpers.exercises.solutions

bench: .venv/complete ## measure speed and memory, ours beside Pyro
	@$(PYTHON_BIN) -m tests.benchmarks $(ARGS)

# .ci/install writes this folder's path to .venv/complete, last of all. Where that file is missing, older than the list of
# dependencies, or names another folder (this one was moved), or where .venv cannot run, there is something to install.
NEEDS_INSTALL := $(shell $(PYTHON_BIN) -c "" 2>/dev/null && [ "$$(cat .venv/complete 2>/dev/null)" = "$(CURDIR)" ] || echo FORCE)

.venv/complete: pyproject.toml constraints.txt $(NEEDS_INSTALL)
	@PYTHON="$(PYTHON)" sh .ci/install "make $(or $(MAKECMDGOALS),lab)"
