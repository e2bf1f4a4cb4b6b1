#!/usr/bin/env bash
# Checks what no Python tool of ours reads: shell scripts, workflows, and Bicep against Azure's own types. A checker that is
# not here is left out, and said to be.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=${CHECK_BICEP_TOOLS:-../shared/tools}

left_out() { echo "$1 left out: $2"; }

if command -v shellcheck >/dev/null; then
    shellcheck infra/scripts/*.sh dev/*.sh .ci/run
    echo "scripts: shellcheck finds nothing"
else
    left_out "scripts" "there is no shellcheck (Debian, Ubuntu: apt-get install shellcheck)"
fi

if command -v actionlint >/dev/null; then
    actionlint
    echo "workflows: actionlint finds nothing"
else
    left_out "workflows" "there is no actionlint"
fi

if [ -e "$tools/check_bicep.py" ]; then
    echo "infra: $(python3 "$tools/check_bicep.py" --strict infra)"
else
    left_out "infra" "there is no check_bicep.py in $tools (CHECK_BICEP_TOOLS names another folder)"
fi
