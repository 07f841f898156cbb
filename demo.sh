#!/usr/bin/env bash
# Builds nydusd and nydus-image, makes images of two real directories, mounts both as pseudo-mounts of one daemon with
# curl, and reads them. Leaves nothing behind, also when interrupted. As root, on Debian 12.
set -eu
cd "$(dirname "$0")"
[ "$(id -u)" = 0 ] || { echo "demo.sh: mounting needs root; run it as root (sudo ./demo.sh)" >&2; exit 1; }
[ -c /dev/fuse ] || { echo "demo.sh: there is no /dev/fuse; 'modprobe fuse', or give it to this container" >&2; exit 1; }
work=
daemon=
clean_up() {
  status=$?
  trap '' INT TERM HUP # whoever asks again waits for it
  trap - EXIT
  if [ -n "$daemon" ]; then
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
  fi
  if [ -n "$work" ]; then
    umount -l "$work/mnt" 2>/dev/null || true
    rm -rf "$work"
  fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
work=$(mktemp -d)
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

say "Building (the first time takes some minutes)"
BUILD_TARGETS="api/nydusd builder/nydus-image" ./check.sh build
command -v curl >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends curl >/dev/null; }
mkdir "$work/mnt" "$work/blobs" "$work/cache"

for source in /usr/share/doc /usr/include; do
  say "nydus-image: an image of $source"
  build/builder/nydus-image create --blob-dir "$work/blobs" --bootstrap "$work/$(basename $source).boot" "$source"
done

say "nydusd: one file system, its API on a unix socket"
build/api/nydusd --mountpoint "$work/mnt" --apisock "$work/api.sock" --log-level warn &
daemon=$!
for _ in $(seq 200); do [ -S "$work/api.sock" ] && break; sleep 0.05; done
[ -S "$work/api.sock" ] || { echo "demo.sh: nydusd does not answer" >&2; exit 1; }
api() { curl --silent --show-error --fail-with-body --unix-socket "$work/api.sock" "$@"; }

for name in doc include; do
  cat >"$work/mount.json" <<END
{"source": "$work/$name.boot", "fs_type": "rafs", "config": "{\"device\": {\"backend\": {\"type\": \"localfs\", \"config\": {\"dir\": \"$work/blobs\"}}, \"cache\": {\"type\": \"blobcache\", \"config\": {\"work_dir\": \"$work/cache\"}}}, \"mode\": \"direct\"}"}
END
  api -X POST -d "@$work/mount.json" "http://localhost/api/v1/mount?mountpoint=/$name"
done

say "Both images are there"
ls "$work/mnt"
ls "$work/mnt/include" | head -5
for source in /usr/share/doc /usr/include; do
  say "Checksums of all files of $source: the image and its source"
  image=$(cd "$work/mnt/$(basename $source)" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
  origin=$(cd "$source" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
  echo "image:  $image"
  echo "source: $origin"
  [ "$image" = "$origin" ]
done

say "The daemon's state and the metrics of one mount"
api http://localhost/api/v1/daemon | python3 -c '
import json, sys
state = json.load(sys.stdin)
print(json.dumps({**state, "backend_collection": sorted(state["backend_collection"])}, indent=2))'
api 'http://localhost/api/v1/metrics?id=/include'
echo
say "Unmounting"
api -X DELETE 'http://localhost/api/v1/mount?mountpoint=/doc'
ls "$work/mnt"
say "Done"
