# The commands of the README and of CI. Each sets up its own environment into $(VENV) first, without a
# compiler: mmcv-lite holds no operators, and on a CPU none is called. Two other environments compile them:
#   STACK=cuda           the official mmcv        (make env STACK=cuda)
#   STACK=onedl          the maintained forks     (make test STACK=onedl)
#
#   make demo            data, training, evaluation and pictures (training takes most of the time)
#   make test            the whole suite; as root on Debian it installs Chromium first, where that is missing
#   make test-faults     what takes minutes: long runs, injected faults, whole data sets, large exports
#   make box             the model in the box from the demo's run, and docs/quickstart.ipynb with it
#   make readme          README's numbers from the demo's run and the times of env, demo and test
#   make lint
#   make docs            docs/_build/html
#   make ablation        the tables of docs/ablations (SEEDS="0 1 2"; MINUTES=60 stops early, the next call goes on)
#   make leaderboard     docs/leaderboard: all systems (SYSTEMS="lavt cris" some; SEEDS and MINUTES as above)
#   make no-target       N-acc, T-acc and gIoU with and without the no-target answer (docs/no_target.md)
#   make bench           the tables of docs/performance.md
# To use an environment of your own instead: make test PY=/path/to/python

STACK ?= official
PYTHON ?= python3
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

COMPILING := ; mmcv is compiled: about 8 minutes on 2 cores, the first time
ifeq ($(STACK),official)
  VENV ?= .venv
  OPENMMLAB := requirements/mminstall.txt
  TESTED ?= requirements/tested.txt
  COMPILING :=
else ifeq ($(STACK),cuda)
  VENV ?= .venv-cuda
  OPENMMLAB := requirements/mminstall-compiled.txt
  TESTED ?= requirements/tested.txt
else ifeq ($(STACK),onedl)
  VENV ?= .venv-onedl
  OPENMMLAB := requirements/mminstall-onedl.txt
  TESTED ?= requirements/tested-onedl.txt
else
  $(error STACK is 'official', 'cuda' or 'onedl', not '$(STACK)')
endif

ifdef PY
  READY :=
else
  PY := $(VENV)/bin/python
  READY := $(VENV)/.ready
endif

DEMO := work_dirs/demo
DEMO_CONFIG := configs/magnet_tiny_refshapes.py
DATA := data/refshapes
SEEDS ?= 0
NO_TARGET ?= magnet magnet-nt lavt lavt-nt rela
NO_TARGET_OUT := work_dirs/no_target
MINUTES ?=
SYSTEMS ?=

# Seconds that a target took, for make readme: work_dirs/timings/<target>.
TIMINGS := work_dirs/timings
begin = @mkdir -p $(TIMINGS) && date +%s > $(TIMINGS)/$(1).begin
end = @echo $$(( $$(date +%s) - $$(cat $(TIMINGS)/$(1).begin) )) > $(TIMINGS)/$(1)

.PHONY: env lint browser test test-faults docs demo box readme ablation leaderboard no-target bench clean

env: $(READY)

# torch first, because mmcv is compiled against it (STACK=cuda and onedl; pip keeps the wheel).
$(VENV)/.ready: setup.py magnet_mm/version.py $(wildcard requirements/*.txt)
	@$(PYTHON) -c "import sys; assert sys.version_info >= (3, 10), 'magnet_mm needs Python 3.10 or newer; choose one with make PYTHON=python3.11'"
	$(call begin,env)
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q -r requirements/build.txt -c $(TESTED)
	@echo "Installing the OpenMMLab packages$(COMPILING)."
	MAX_JOBS=$$(nproc) $(VENV)/bin/python -m pip install -q --no-build-isolation -r $(OPENMMLAB) -c $(TESTED)
	$(VENV)/bin/python -m pip install -q -r requirements/runtime.txt -r requirements/optional.txt -r requirements/tests.txt -r requirements/docs.txt -c $(TESTED)
	$(VENV)/bin/python -m pip install -q --no-build-isolation --no-deps -e .
	$(call end,env)
	touch $@

lint: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

# The demo page and the report are tested in a browser; without one those tests are skipped.
browser:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && ! command -v chromium > /dev/null; then \
	  echo "Installing Chromium for the tests in a browser."; \
	  { apt-get update -qq && apt-get install -y -qq chromium; } > /dev/null || \
	    echo "Chromium could not be installed: the tests in a browser are skipped."; \
	fi

test: $(READY) browser
	$(call begin,test)
	$(PY) -m pytest -n auto --dist worksteal
	$(call end,test)

test-faults: $(READY)
	$(PY) -m pytest -m faults -s

docs: $(READY)
	$(PY) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

# RefShapes is made once; the demo and the ablations read the same.
$(DATA)/.made: $(READY) $(wildcard magnet_mm/refshapes/*.py)
	$(PY) tools/dataset_tools/make_refshapes.py $(DATA)
	touch $@

ablation: $(READY) $(DATA)/.made
	for name in magnet_parts coupalign_masks; do \
	  $(PY) tools/analysis_tools/ablate.py $$name --seeds $(SEEDS) --out docs/ablations \
	    $(if $(MINUTES),--minutes $(MINUTES)); \
	done

leaderboard: $(READY) $(DATA)/.made
	$(PY) tools/analysis_tools/leaderboard.py --systems $(SYSTEMS) --seeds $(SEEDS) \
	  $(if $(MINUTES),--minutes $(MINUTES))

no-target: $(READY) $(DATA)/.made
	for name in $(NO_TARGET); do \
	  config=configs/$${name}_tiny_grefshapes.py; out=$(NO_TARGET_OUT)/$$name; \
	  $(PY) tools/train.py $$config --work-dir $$out; \
	  case $$name in *-nt|rela) \
	    $(PY) tools/analysis_tools/choose_no_target_threshold.py $$config $$out/best_gIoU_epoch_*.pth \
	      --work-dir $$out/threshold;; esac; \
	  $(PY) tools/test.py $$config $$out/best_gIoU_epoch_*.pth --work-dir $$out/test \
	    --splits val testA val_absent --json $$out/results.json; \
	done
	$(PY) tools/analysis_tools/no_target_table.py $(addprefix $(NO_TARGET_OUT)/,$(NO_TARGET))

bench: $(READY)
	$(PY) tools/analysis_tools/write_performance.py

demo: $(READY)
	$(call begin,demo)
	$(PY) tools/dataset_tools/make_refshapes.py $(DATA)
	rm -rf $(DEMO)
	$(PY) tools/train.py $(DEMO_CONFIG) --work-dir $(DEMO)
	$(PY) tools/test.py $(DEMO_CONFIG) $(DEMO)/best_oIoU_epoch_*.pth --work-dir $(DEMO)/test \
	  --splits val testA testB val_shuffled val_blank \
	  --json $(DEMO)/results.json --out $(DEMO)/predictions
	$(PY) tools/analysis_tools/draw_predictions.py $(DEMO_CONFIG) \
	  $(DEMO)/predictions/val/items_refshapes_val.jsonl --split val --out-dir $(DEMO)/overlays
	$(PY) tools/analysis_tools/report.py $(DEMO)/predictions/val/items_refshapes_val.jsonl \
	  --config $(DEMO_CONFIG) --out $(DEMO)/report
	$(PY) tools/analysis_tools/plot_curves.py $(DEMO) --out $(DEMO)/curves.png
	$(PY) tools/analysis_tools/check_scores.py $(DEMO)/results.json
	$(call end,demo)
	@echo "Scores: $(DEMO)/results.json   overlays: $(DEMO)/overlays   report: $(DEMO)/report/report.html   curves: $(DEMO)/curves.png"

# Both read the run that make demo left.
box: $(READY)
	$(PY) tools/write_box.py $(DEMO)
	$(PY) tools/docs_tools/run_notebook.py docs/quickstart.ipynb

readme: $(READY)
	$(PY) tools/analysis_tools/write_readme.py --run $(DEMO)

clean:
	rm -rf $(DEMO) build *.egg-info
