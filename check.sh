#!/usr/bin/env bash
# Builds and tests everything, as CI does. `./check.sh` runs all parts in order, `./check.sh unit fuzz` those named.
# Parts: format layering build unit sanitize threads fuzz end_to_end guest. The last line counts.
#   FUZZ_SECONDS=5        seconds per fuzzer
#   NYDUS_TEST_CYCLES=300 mount and unmount cycles; NYDUS_TEST_KILLS=12 kills while the cache fills; NYDUS_TEST_CHANGES=250
#                         damaged images (from NYDUS_TEST_SEED=7); more of them is the long form of those tests
#   NYDUS_TEST_FAULTS=1   times longer races, floods and failures; NYDUS_TEST_WAITING=10000 reads of a hung mount
set -u
cd "$(dirname "$0")" || exit 1
export NYDUS_FIXTURES=${NYDUS_FIXTURES:-$PWD/../shared/fixtures} LC_ALL=C.UTF-8
all_parts=(format layering build unit sanitize threads fuzz end_to_end guest)
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=("${all_parts[@]}")
passed=0 failed=0 skipped=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

packages=(g++ meson ninja-build pkg-config ccache libcaf-dev libsimdjson-dev liblz4-dev libzstd-dev zlib1g-dev libssl-dev
  doctest-dev libmicrohttpd-dev libcli11-dev libspdlog-dev libfmt-dev libtomlplusplus-dev nlohmann-json3-dev
  libcurl4-openssl-dev librust-blake3-dev clang-14 clang-format-14 libclang-rt-14-dev python3 python3-yaml
  python3-prometheus-client git bindfs qemu-system-x86 busybox-static cpio chromium chromium-driver fonts-dejavu-core
  openssl)

say() { printf '\n== %s\n' "$*"; }
pass() { passed=$((passed + ${1:-1})); }
fail() { failed=$((failed + 1)); echo "FAILED: $*"; }

install_missing() {
  local missing=() package
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${missing[*]}"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    >"$work/apt" 2>&1 </dev/null || { cat "$work/apt"; fail "install ${missing[*]} (as root: apt-get install them)"; }
}

# configure FOLDER MESON_OPTION... : a build folder with those options, made or brought up to date
configure() {
  local folder=$1; shift
  [ -f "$folder/build.ninja" ] && { meson configure "$folder" "$@" >/dev/null; return; }
  # A folder without build.ninja was left by an interrupted set-up.
  [ -d "$folder" ] && meson setup --reconfigure "$folder" "$@" >"$work/setup" 2>&1 && return
  rm -rf "$folder"
  meson setup "$folder" "$@" >"$work/setup" 2>&1 || { cat "$work/setup"; return 1; }
}

# run_suites FOLDER NAME: meson's tests of that build folder, counted
run_suites() {
  meson test -C "$1" --no-rebuild --print-errorlogs >"$work/suites" 2>&1
  grep -E '^ *[0-9]+/[0-9]+ ' "$work/suites"
  local ok bad
  ok=$(awk '/^Ok:/ {print $2}' "$work/suites") bad=$(awk '/^(Fail|Timeout):/ {n += $2} END {print n + 0}' "$work/suites")
  pass "${ok:-0}"
  [ "${ok:-0}" -gt 0 ] && [ "$bad" -eq 0 ] && return
  tail -60 "$work/suites"
  failed=$((failed + (bad > 0 ? bad - 1 : 0)))
  fail "$2"
}

format() {
  git ls-files '*.cpp' '*.hpp' | xargs clang-format-14 --dry-run -Werror && pass || fail "format (clang-format-14 -i mends it)"
}
layering() { python3 test/layering_check.py && pass || fail layering; }
# BUILD_TARGETS: only those
build() { configure build --buildtype=release -Dwerror=true && ninja -C build ${BUILD_TARGETS:-} && pass || fail build; }
unit() { ninja -C build >/dev/null && run_suites build unit || fail unit; }
# One build for the suites and the fuzzers under ASan and UBSan. Neither optimized nor with more debug information than
# line numbers (-g1), since most of the time goes into compiling.
sanitized_build() {
  CC=clang-14 CXX=clang++-14 configure build-asan --buildtype=debug -Dcpp_args=-g1 -Dfuzzers=true \
    -Db_sanitize=address,undefined -Db_lundef=false && ninja -C build-asan "$1" >"$work/build" 2>&1 ||
    { tail -40 "$work/build"; fail "sanitizer build: $1"; return 1; }
}
export ASAN_OPTIONS=detect_stack_use_after_return=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:suppressions=$PWD/test/ubsan.supp
sanitize() { sanitized_build meson-test-prereq && run_suites build-asan sanitize; }
# ThreadSanitizer over the actors' tests and over a hostile guest before the whole daemon. It knows no fences
# (-Wno-tsan): here they order atomics alone.
threads() {
  configure build-tsan --buildtype=debug -Dcpp_args="-Wno-tsan -g1" -Dwerror=true -Db_sanitize=thread -Db_lundef=false &&
    ninja -C build-tsan test/test_actors test/hostile_guest >"$work/build" 2>&1 ||
    { tail -40 "$work/build"; fail "thread sanitizer build"; return; }
  local program
  for program in test_actors "hostile_guest --count 1000"; do
    if TSAN_OPTIONS=suppressions=$PWD/test/tsan.supp build-tsan/test/$program >"$work/threads" 2>&1
    then pass; tail -1 "$work/threads"; else tail -100 "$work/threads"; fail "$program"; fi
  done
}
fuzz() {
  sanitized_build fuzzers || return
  # As many at a time as there are CPUs; what each said is told in order.
  mkdir "$work/corpus" "$work/fuzz"
  export FUZZ_SECONDS=${FUZZ_SECONDS:-5} work
  printf '%s\n' build-asan/test/fuzz/*_fuzz | xargs -P "$(nproc)" -I{} bash -c '
    name=$(basename {}) && mkdir "$work/corpus/$name" &&
      {} -max_total_time="$FUZZ_SECONDS" -rss_limit_mb=2048 -timeout=20 -artifact_prefix="$work/" "$work/corpus/$name" \
        >"$work/fuzz/$name" 2>&1 && mv "$work/fuzz/$name" "$work/fuzz/$name.passed"'
  local said
  for said in "$work"/fuzz/*; do
    if [[ $said == *.passed ]]; then pass; echo "$(basename "$said" .passed): $(tail -1 "$said")"
    else tail -30 "$said"; fail "$(basename "$said")"; fi
  done
}
# python_suites PART TEST...: run_all.py's tests of those names, or its own choice, counted
python_suites() {
  local part=$1 counts; shift
  [ -x build/api/nydusd ] || { fail "$part: build first (./check.sh build $part)"; return; }
  timeout 1800 python3 -W ignore test/end_to_end/run_all.py "$@" 2>&1 | tee "$work/suites"
  counts=$(grep '^end_to_end: ' "$work/suites" | tail -1)
  [ -n "$counts" ] || { fail "$part did not end"; return; }
  read -r _ p _ f _ s _ <<<"$counts"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}
# The registry's program out of Debian's package, which is not installed: that would start a service.
registry_program() {
  apt-get update -qq
  mkdir -p build/registry "$work/registry"
  (cd "$work/registry" && apt-get download -qq docker-registry 2>"$work/apt") || { cat "$work/apt"; return 1; }
  dpkg-deb --fsys-tarfile "$work/registry/"*.deb | tar -x -C build/registry --strip-components=3 ./usr/bin/docker-registry
}
end_to_end() {
  command -v docker-registry >/dev/null || [ -x build/registry/docker-registry ] || registry_program || echo "no registry"
  python_suites end_to_end
}
# The guest's kernel and modules out of Debian's package, which is not installed: that would change how this machine boots.
guest_kernel() {
  local package
  apt-get update -qq
  package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
  mkdir -p build/guest "$work/kernel"
  (cd "$work/kernel" && apt-get download -qq "$package" 2>"$work/apt") || { cat "$work/apt"; return 1; }
  dpkg-deb --fsys-tarfile "$work/kernel/"*.deb | tar -x -C build/guest --wildcards --transform 's,.*/,,;s,vmlinuz-.*,vmlinuz,' \
    './boot/vmlinuz-*' '*/virtio.ko' '*/virtio_ring.ko' '*/virtio_pci*.ko' '*/virtio_console.ko' '*/fuse.ko' '*/virtiofs.ko' '*/overlay.ko'
}
guest() {
  [ -f build/guest/virtiofs.ko ] || guest_kernel || echo "no kernel for the guest"
  python_suites guest guest_test
}

install_missing
for part in "${parts[@]}"; do
  case " ${all_parts[*]} " in *" $part "*) ;; *) echo "no part '$part'; there are: ${all_parts[*]}"; exit 2 ;; esac
  say "$part"
  "$part"
done
echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
