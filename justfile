# What people type. `just --list` says what there is.

publish := "cargo run --quiet -p publish --"
nix := "nix --extra-experimental-features 'nix-command flakes'"
# The flake whose images are built and published.
export FLAKE := env("FLAKE", ".")

# Build the image of PROFILE with Nix, and say where it is; the program, if no PROFILE is named
build PROFILE='' *FLAGS:
    {{ if PROFILE == '' { "cargo build -p publish" } else { nix + " build --json --print-build-logs --no-link " + FLAGS + " '" + FLAKE + "#" + PROFILE + "'" } }}

# Build the image of PROFILE and publish it to AWS
[no-exit-message]
[positional-arguments]
publish-ami PROFILE *FLAGS:
    @{{ quote(just_executable()) }} _publish aws "$@"

# Build the image of PROFILE and publish it to Azure
[no-exit-message]
[positional-arguments]
publish-azure PROFILE *FLAGS:
    @{{ quote(just_executable()) }} _publish azure "$@"

# Build the image of PROFILE and publish it to both clouds
[no-exit-message]
[positional-arguments]
publish-all PROFILE *FLAGS:
    @{{ quote(just_executable()) }} _publish all "$@"

# Boot the image of PROFILE on this machine, with UEFI, its console here; nothing is written to the image
boot PROFILE:
    {{ publish }} convert --force --to raw "${PUBLISH_IMAGE:-$FLAKE#{{ PROFILE }}}" target/boot.raw
    bash nix/boot.sh target/boot.raw

# Evaluate the flake, and run its checks
check *FLAGS:
    {{ nix }} flake check {{ FLAGS }} '{{ FLAKE }}'

# The tests of the program; with a PROFILE, the flake's check of that name
test PROFILE='' ARCH=(arch() + '-linux') *FLAGS:
    {{ if PROFILE == '' { "cargo test --workspace" } else { nix + " build --print-build-logs --no-link " + FLAGS + " '" + FLAKE + "#checks." + ARCH + "." + PROFILE + "'" } }}

# Format everything
fmt:
    cargo fmt --all
    if command -v nix > /dev/null; then {{ nix }} fmt; fi

# Publish a disk that it makes to both clouds, on the embedded sandbox
demo:
    cargo run -p publish -- demo

# So many runs of each backend in which requests fail by chance, from a seed on; each prints how its runs ended
chaos RUNS='334' SEED='1':
    PUBLISH_CHAOS_RUNS='{{ RUNS }}' PUBLISH_CHAOS_SEED='{{ SEED }}' cargo test -p backend-azure -p backend-aws --test it by_chance

# publish beside azcopy, coldsnap, aws and a bare HTTP client, on a sandbox; --help names the flags. It wants half an hour and 20 GB
bench *FLAGS:
    bash .ci/clients
    cargo build --release --locked -p publish -p bench
    target/release/bench {{ FLAGS }}

# The inner loops beside qemu-img and sha256sum; TMPDIR says on which file system
bench-loops *FLAGS:
    cargo bench --manifest-path crates/vhd/bench/Cargo.toml {{ FLAGS }}

# Fuzz TARGET (open, read, facts or unpack) for so many SECONDS; wants cargo-fuzz and a nightly compiler
[working-directory('crates/vhd')]
fuzz TARGET SECONDS='600':
    cargo +nightly fuzz run --sanitizer none {{ TARGET }} -- -max_total_time={{ SECONDS }} -rss_limit_mb=64 -timeout=10 -max_len=16384

# What has to pass before anything lands
ci:
    bash .ci/run

# Publishes to CLOUD, under the profile of the image and, over it, those in PUBLISH_PROFILE, such as a team's. PUBLISH_IMAGE names
# an image that is built already. Where a rehearsal on the sandbox has neither that nor Nix, the demo's disk serves.
[no-exit-message]
[positional-arguments]
_publish CLOUD PROFILE *FLAGS:
    #!/usr/bin/env bash
    set -euo pipefail
    cloud=$1 profile=$2
    shift 2
    image=${PUBLISH_IMAGE:-$FLAKE#$profile}
    if [ -z "${PUBLISH_IMAGE:-}" ] && [ -n "${PUBLISH_SANDBOX_URL:-}" ] && ! command -v nix > /dev/null; then
        echo "there is no nix on this machine: the demo disk stands in for the image of $profile" >&2
        mkdir -p target
        image=target/stand-in.raw
        {{ publish }} demo --write-image "$image"
    fi
    {{ publish }} "$cloud" --profile "$profile${PUBLISH_PROFILE:+,$PUBLISH_PROFILE}" "$@" "$image"
