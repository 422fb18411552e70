#!/usr/bin/env bash
# Builds the admin page into admin/dist. See admin/README.md.
#
# Ends with 0 done (or nothing to do), 1 a step failed, 3 no Node 20 or newer,
# 4 no compiler for wasm32 and none could be installed.
#
# TROUPE_WASM=rustup|debian picks the compiler; by default the first that works is taken.
set -Eeuo pipefail
# A step's own code, such as cargo's 101, must not be taken for one of ours.
trap 'exit 1' ERR

admin=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$admin")
cd "$admin"

target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
wasm_target=$target/wasm
stage=$wasm_target/stage
stamp=$wasm_target/admin.stamp

triple=wasm32-unknown-unknown
debian_packages=(rustc-web rust-web-src cargo-web)

say() { printf 'admin: %s\n' "$*" >&2; }

# --- Node --------------------------------------------------------------------------------------

have_node() {
  command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 &&
    node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)'
}

# npm writes the marker's folder anew, so the marker is there only after a complete install.
install_npm_packages() {
  local marker=node_modules/.troupe-lock
  if ! cmp -s package-lock.json "$marker"; then
    say "installing npm packages"
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    cp package-lock.json "$marker"
  fi
}

# --- the wasm compiler -------------------------------------------------------------------------

have_rustup_target() {
  local std=("$(rustc --print sysroot)/lib/rustlib/$triple/lib/"libstd-*.rlib)
  [ -e "${std[0]}" ]
}

add_rustup_target() {
  have_rustup_target && return
  command -v rustup >/dev/null 2>&1 || return
  say "rustup target add $triple"
  local limit=()
  if command -v timeout >/dev/null 2>&1; then limit=(timeout 180); fi
  ${limit[@]+"${limit[@]}"} rustup target add "$triple" && have_rustup_target
}

have_debian_compiler() {
  command -v dpkg-query >/dev/null 2>&1 || return
  local package
  for package in "${debian_packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || return
  done
}

# Another apt may hold the lock: wait for it, and try again when it took it in between.
add_debian_compiler() {
  have_debian_compiler && return
  command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" -eq 0 ] || return
  say "installing ${debian_packages[*]}"
  local try
  for try in 1 2 3 4 5; do
    if [ "$try" -gt 1 ]; then
      sleep $((try * 5))
      apt-get -o DPkg::Lock::Timeout=120 update -qq || true
    fi
    if DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -qq \
      --no-install-recommends "${debian_packages[@]}" >&2; then
      return 0
    fi
  done
  return 1
}

choose_compiler() {
  case ${TROUPE_WASM:-} in
    rustup) add_rustup_target && compiler=rustup && return ;;
    debian) add_debian_compiler && compiler=debian && return ;;
    '')
      add_rustup_target && compiler=rustup && return
      say "rustup cannot add $triple here: trying Debian's compiler"
      add_debian_compiler && compiler=debian && return
      ;;
    *) say "TROUPE_WASM is rustup or debian, not ${TROUPE_WASM}" && exit 1 ;;
  esac
  say "no compiler for $triple. Run: rustup target add $triple"
  say "or, on Debian and as root: apt-get install --no-install-recommends ${debian_packages[*]}"
  exit 4
}

# --- steps -------------------------------------------------------------------------------------

# Small before fast. Paths of this machine stay out of panic messages, so that two machines build
# the same bytes. The profile comes as environment: it is this crate's alone.
compile() {
  local sysroot host cargo_home=${CARGO_HOME:-$HOME/.cargo} separator=$'\x1f'
  sysroot=$(rustc --print sysroot)
  host=$(rustc -vV | sed -n 's/^host: //p')
  local arguments=(build --locked --release -p troupe-admin --bin troupe-admin
    --target "$triple" --target-dir "$wasm_target")
  (
    unset RUSTFLAGS CARGO_BUILD_TARGET RUSTC_WORKSPACE_WRAPPER
    export CARGO_ENCODED_RUSTFLAGS="--remap-path-prefix=$cargo_home=cargo${separator}--remap-path-prefix=$root=troupe"
    export CARGO_PROFILE_RELEASE_OPT_LEVEL=z CARGO_PROFILE_RELEASE_LTO=fat \
      CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 CARGO_PROFILE_RELEASE_PANIC=abort \
      CARGO_PROFILE_RELEASE_STRIP=none
    cd "$root"
    if [ "$compiler" = rustup ]; then
      cargo "${arguments[@]}"
    else
      # Debian ships std as source only, and its compiler without the linker for wasm.
      RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc \
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$sysroot/lib/rustlib/$host/bin/rust-lld \
        /usr/bin/cargo "${arguments[@]}" -Zbuild-std=std,panic_abort
    fi
  )
}

bind() {
  (cd "$root" && cargo build --locked -p troupe-admin-build)
  local host_tool=$target/debug/troupe-admin-build
  "$host_tool" "$wasm_target/$triple/release/troupe-admin.wasm" "$stage" app
}

optimise() {
  node_modules/.bin/wasm-opt "$stage/app_bg.wasm" -o "$stage/app.wasm" -Oz \
    --enable-bulk-memory --enable-nontrapping-float-to-int --enable-reference-types \
    --enable-multivalue --enable-sign-ext --enable-mutable-globals \
    --strip-debug --strip-producers --strip-target-features
}

style() {
  node_modules/.bin/tailwindcss --input web/style.css --output "$stage/style.css" --minify >&2
}

build() {
  local digest
  digest=$(node bundle.mjs digest)
  if node bundle.mjs fresh "$stamp" "$digest"; then
    say "nothing changed"
    return
  fi
  choose_compiler
  install_npm_packages
  rm -rf "$stage"
  mkdir -p "$stage"
  say "compiling with the $compiler compiler"
  compile
  bind
  optimise
  style
  cp web/index.html web/boot.js web/theme.js web/icon.svg "$stage/"
  node bundle.mjs assemble "$stage" "$stamp" "$digest"
}

if ! have_node; then
  say "Node 20 or newer with npm is needed to build the admin page, and was not found."
  exit 3
fi
mkdir -p "$wasm_target"
# Two builds at once would write the same folder.
if command -v flock >/dev/null 2>&1; then
  exec 9>"$wasm_target/admin.lock"
  flock 9
fi
build
