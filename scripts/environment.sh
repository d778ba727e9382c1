# The virtual environments of this clone: made, brought up to date, or left alone. Sourced by the other scripts, which
# have made the clone's folder the current one.
#
# provide_environment LOCK: afterwards .venv holds what LOCK names, and this project as an editable install. What is up
# to date already is not touched, and needs no network.
# provide_tool LOCK FOLDER: afterwards FOLDER is an environment that holds what LOCK names, and nothing of this project.

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

# provide_locked LOCK FOLDER FILES...: what the lock names is installed where it was not, or FILES changed. Sets
# `installed` to the note of that which the caller is to leave in `$stamp` at the end, or to nothing.
provide_locked() {
    lock=$1
    folder=$2
    shift 2
    installed=
    python=$(find_python)
    [ -w . ] || fail "cannot write to $clone; clone the repository as the user who is to run this."
    [ ! -e "$folder" ] || [ -w "$folder" ] || fail "$clone/$folder belongs to somebody else; remove it as that user first."

    place=$(describe_place "$python")
    if [ "$(cat "$folder/made-for" 2>/dev/null)" != "$place" ] || ! "$folder/bin/python" -c '' 2>/dev/null; then
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            fail "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"
        [ ! -e "$folder" ] || [ -e "$folder/made-for" ] ||
            fail "$clone/$folder was not made by this script, which needs the name; move it away first."
        echo "Making the virtual environment $clone/$folder ..."
        rm -rf "$folder"
        mkdir "$folder"
        echo unfinished >"$folder/made-for"
        "$python" -m venv "$folder"
        printf '%s\n' "$place" >"$folder/made-for"
    fi

    stamp=$folder/installed-$lock
    wanted=$(cat "$lock" "$@" | cksum)
    [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0
    echo "Installing what $lock names ..."
    rm -f "$folder"/installed-*
    # Locked and with hashes.
    install_into "$folder" --require-hashes --requirement "$lock"
    installed=$wanted
}

install_into() {
    environment=$1
    shift
    "$environment/bin/python" -m pip --disable-pip-version-check install --quiet --quiet "$@"
}

provide_environment() {
    provide_locked "$1" .venv pyproject.toml
    [ -n "$installed" ] || return 0
    # Only now the project itself, built with what was just installed.
    install_into .venv --no-deps --no-build-isolation --editable .
    printf '%s\n' "$installed" >"$stamp"
}

provide_tool() {
    provide_locked "$1" "$2"
    [ -z "$installed" ] || printf '%s\n' "$installed" >"$stamp"
}
