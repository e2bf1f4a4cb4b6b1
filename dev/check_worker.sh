#!/usr/bin/env bash
# Loads function_app.py in Microsoft's own worker library and fails on any problem with a function: one that the
# worker cannot read makes the whole app vanish in Azure, and no test of ours would notice.
# The library needs Python 3.13. The checker is no part of this repository; without either, it says so and passes.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=${CHECK_WORKER_TOOLS:-../shared/tools}

find_python() {
    local python
    for python in python3.13 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3; do
        if "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
}

if [ ! -e "$tools/check_worker.py" ]; then
    echo "worker check left out: no check_worker.py in $tools (CHECK_WORKER_TOOLS names another folder)"
    exit 0
fi
python=$(find_python)
if [ -z "$python" ]; then
    echo "worker check left out: it needs Python 3.13, on PATH or in pyenv"
    exit 0
fi

echo "worker check: with $("$python" --version) at $python"
[ -x .venv-worker/bin/pip ] || "$python" -m venv --clear .venv-worker
.venv-worker/bin/pip install --quiet --disable-pip-version-check \
    -r "$tools/check_worker.requirements.txt" -r requirements.txt
.venv-worker/bin/python "$tools/check_worker.py" . list
