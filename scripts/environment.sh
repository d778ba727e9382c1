# The virtual environment `.venv` of this clone: made, brought up to date, or left alone. Sourced by the other scripts,
# which have made the clone's folder the current one.
#
# provide_environment LOCK: afterwards .venv holds what LOCK names, and this project as an editable install. What is up
# to date already is not touched, and needs no network.

clone=$(pwd)

fail() {
    printf '%s: %s\n' "$0" "$1" >&2
    exit 1
}

# The interpreter to make .venv with: $PYTHON if set, else the first one that is new enough.
find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
        [ "$candidate" != "${PYTHON-}" ] || break
    done
    found=$("${PYTHON:-python3}" --version 2>&1) || found="none that runs"
    fail "NextBridge needs Python 3.11 or newer; found: $found. Set PYTHON to the command of a newer one."
}

# What .venv depends on besides the lock: a venv holds absolute paths and serves one version of Python.
describe_place() {
    printf '%s\n' "$clone"
    "$1" -c 'import sys; print(sys.base_prefix, *sys.version_info[:2])'
}

provide_environment() {
    lock=$1
    python=$(find_python)
    [ -w . ] || fail "cannot write to $clone; clone the repository as the user who is to run this."
    [ ! -e .venv ] || [ -w .venv ] || fail "$clone/.venv belongs to somebody else; remove it as that user first."

    place=$(describe_place "$python")
    if [ "$(cat .venv/made-for 2>/dev/null)" != "$place" ] || ! .venv/bin/python -c '' 2>/dev/null; then
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            fail "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"
        [ ! -e .venv ] || [ -e .venv/made-for ] ||
            fail "$clone/.venv was not made by this script, which needs the name; move it away first."
        echo "Making the virtual environment $clone/.venv ..."
        rm -rf .venv
        mkdir .venv
        echo unfinished >.venv/made-for
        "$python" -m venv .venv
        printf '%s\n' "$place" >.venv/made-for
    fi

    stamp=.venv/installed-$lock
    wanted=$(cat "$lock" pyproject.toml | cksum)
    [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0
    echo "Installing what $lock names ..."
    rm -f .venv/installed-*
    # Locked and with hashes; only then the project itself, built with what was just installed.
    .venv/bin/python -m pip --disable-pip-version-check install --quiet --quiet --require-hashes --requirement "$lock"
    .venv/bin/python -m pip --disable-pip-version-check install --quiet --quiet --no-deps --no-build-isolation --editable .
    printf '%s\n' "$wanted" >"$stamp"
}
