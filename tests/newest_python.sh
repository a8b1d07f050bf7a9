#!/bin/sh
# Prints the newest Python of this machine that is newer than 3.11 and that Kreispuls is tested with; nothing where there is none.
set -eu
for minor in 14 13 12; do
    for python in "$(command -v python3.$minor || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.$minor.*/bin/python3; do
        # It must start (a shim may not) and be able to make an environment.
        if "$python" -c 'import ensurepip, sqlite3, ssl, venv' 2>/dev/null; then
            echo "$python"
            exit 0
        fi
    done
done
