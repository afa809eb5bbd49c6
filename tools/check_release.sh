#!/usr/bin/env bash
# Whether a folder made by tools/release holds what it promises: the checksums, and a wheel for this machine that installs in a
# fresh venv and answers. Usage: tools/check_release.sh FOLDER
set -Eeuo pipefail
cd "$(dirname "$0")/.."
folder=$(realpath "$1")
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

(cd "$folder" && sha256sum --check --strict --quiet SHA256SUMS)

python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check --no-index --find-links "$folder" "kiln-serve==$version"
[ "$("$scratch/venv/bin/kiln" --version)" = "kiln $version" ]
"$scratch/venv/bin/kiln" predict --local --json examples/seven.png | grep --quiet '"digit": *"\?7'

mkdir "$scratch/archive"
tar -xzf "$folder/kiln-$version-$(uname -m)-linux.tar.gz" -C "$scratch/archive" --strip-components=1
cmp "$scratch/archive/kiln" "$scratch/venv/bin/kiln"
"$scratch/archive/kiln" predict --local examples
echo "release $version: 4 passed, 0 failed"
