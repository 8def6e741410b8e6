# What people type. `just --list` says what there is.

publish := "cargo run --quiet -p publish --"
# The image that the recipes publish in place of the one their profile names.
image := env("PUBLISH_IMAGE", "")

# Build the program
build:
    cargo build -p publish

# Build the image of PROFILE with Nix, as result/
build-image PROFILE:
    nix --extra-experimental-features 'nix-command flakes' build --print-build-logs '.#{{ PROFILE }}'

# Publish the image of PROFILE to AWS
publish-ami PROFILE *FLAGS: (_image PROFILE)
    {{ publish }} aws --profile '{{ PROFILE }}' {{ FLAGS }} "$(cat target/image)"

# Publish the image of PROFILE to Azure
publish-azure PROFILE *FLAGS: (_image PROFILE)
    {{ publish }} azure --profile '{{ PROFILE }}' {{ FLAGS }} "$(cat target/image)"

# Publish the image of PROFILE to both clouds
publish-all PROFILE *FLAGS: (_image PROFILE)
    {{ publish }} all --profile '{{ PROFILE }}' {{ FLAGS }} "$(cat target/image)"

# Publish a disk that it makes to both clouds, on the embedded sandbox
demo:
    cargo run -p publish -- demo

# The tests
test *FLAGS:
    cargo test --workspace {{ FLAGS }}

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

# Format everything
fmt:
    cargo fmt --all

# Finds the image of a profile, and leaves its path in target/image: the one that is given, the one that Nix builds, or,
# where a rehearsal on the sandbox has neither, the demo's disk.
_image PROFILE:
    #!/usr/bin/env bash
    set -euo pipefail
    mkdir -p target
    if [ -n '{{ image }}' ]; then
        echo '{{ image }}' > target/image
    elif command -v nix > /dev/null; then
        just build-image '{{ PROFILE }}'
        echo 'result/*.vhd' > target/image
    elif [ -n "${PUBLISH_SANDBOX_URL:-}" ]; then
        echo 'there is no nix on this machine: the demo disk stands in for the image of {{ PROFILE }}' >&2
        {{ publish }} demo --write-image target/stand-in.raw
        echo target/stand-in.raw > target/image
    else
        echo 'error: there is no nix on this machine to build the image of {{ PROFILE }} with' >&2
        echo 'hint: name one that is built: PUBLISH_IMAGE=disk.vhd just publish-ami {{ PROFILE }}' >&2
        exit 2
    fi
