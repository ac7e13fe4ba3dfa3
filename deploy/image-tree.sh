#!/usr/bin/env bash
# Lays out everything that is in the image: `image-tree.sh BINARY TREE`. The Dockerfile copies the tree into an empty image, and
# `make check-chart` starts the binary from it where there is no docker. No shell, no package manager, nothing to write.
set -euo pipefail

binary=$1
tree=$2
user=65532

install -D -m 755 "$binary" "$tree/usr/bin/millrace"

# What the binary is linked with, and the loader that finds it.
ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
    install -D -m 755 "$(realpath "$library")" "$tree$library"
done

# Whom to trust, and when it is midnight in a store.
install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/ca-certificates.crt"
mkdir -p "$tree/usr/share"
cp -rL /usr/share/zoneinfo "$tree/usr/share/zoneinfo"
rm -rf "$tree"/usr/share/zoneinfo/{posix,right}

echo "millrace:x:$user:$user::/:/sbin/nologin" | install -m 644 /dev/stdin "$tree/etc/passwd"
echo "millrace:x:$user:" | install -m 644 /dev/stdin "$tree/etc/group"
echo "hosts: files dns" | install -m 644 /dev/stdin "$tree/etc/nsswitch.conf"
