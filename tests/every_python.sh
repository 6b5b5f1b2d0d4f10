#!/usr/bin/env bash
# `make test-all`, after `make test`: what differs between interpreters and torch pairs.
#
# The recorder's, stepper's and store's tests on each Python that is here, with the newest torch pair
# and, on the oldest Python, with the lowest versions that pyproject.toml declares; then the sdist
# and the wheel in environments of their own outside the checkout, with `tracer demo` run there.
# Interpreters are looked for on the PATH and in pyenv's folder; one that is not here is named.
# Environments are kept in ENVS (build/envs); each holds a torch of several GB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
envs=${ENVS:-$root/build/envs}
uv=$envs/tools/bin/uv
tests=(tests/test_record.py tests/test_checks.py tests/test_capture.py tests/test_capture_rcnn.py
    tests/test_lines.py tests/test_macs.py tests/test_views_and_writes.py tests/test_lasting.py
    tests/test_store.py tests/test_stepper.py tests/test_stepper_cases.py tests/test_stepper_tour.py)
needs=(-r pyproject.toml --extra test)
failed=()

# Print the path of python3.MINOR, if a working one is here.
interpreter() {
    local found
    for found in "$(type -P "python$1" || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
        [ -x "$found" ] && "$found" -c 'import venv' 2>/dev/null && { echo "$found"; return; }
    done
    return 1
}

# Make the environment NAME with PYTHON, and install the rest of the arguments into it.
environment() {
    local name=$1 python=$2
    shift 2
    [ -x "$envs/$name/bin/python" ] || "$uv" venv --quiet --python "$python" "$envs/$name"
    "$uv" pip install --quiet --python "$envs/$name/bin/python" "$@"
}

# Run a named check; go on after a failure, and remember it.
check() {
    local name=$1
    shift
    echo "== $name"
    "$@" || failed+=("$name")
}

engine() {
    "$envs/$1/bin/python" -m pytest -q -p no:cacheprovider "${tests[@]}"
}

on_python() {
    environment "$1" "$2" "${needs[@]}" && engine "$1"
}

on_oldest() {
    environment oldest "$1" --resolution lowest-direct "${needs[@]}" && engine oldest
}

# Install a built file into a clean environment, and make a demo in a folder that is no checkout.
installed() {
    local kind=$1 python=$2 file=$3 away
    rm -rf "${envs:?}/$kind"
    away=$(mktemp -d)
    environment "$kind" "$python" "$file" &&
        (cd "$away" && "$envs/$kind/bin/tracer" demo -o demo && test -s demo/pass.safetensors)
    local status=$?
    rm -rf "$away"
    return $status
}

[ -x "$uv" ] || { "${PYTHON:-python3}" -m venv "$envs/tools" && "$envs/tools/bin/pip" install -q uv; }

oldest=
for version in 3.10 3.11 3.12 3.13 3.14; do
    if python=$(interpreter $version); then
        oldest=${oldest:-$python}
        check "Python $version, newest torch" on_python $version "$python"
    else
        echo "== Python $version is not here: left out"
    fi
done
check "lowest versions, $oldest" on_oldest "$oldest"
for file in dist/*.whl dist/*.tar.gz; do
    check "$file" installed "${file##*.}" "$oldest" "$file"
done
[ ${#failed[@]} = 0 ] || { printf 'failed: %s\n' "${failed[@]}" >&2; exit 1; }
