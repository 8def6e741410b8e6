# Packages that the flake names. None of them is built, but for the images.
{ lib, system }:
let
  derive =
    attributes:
    derivation (
      {
        inherit system;
        builder = "/bin/bash";
      }
      // attributes
    );
  # Programs of the machine that tests run on stand in for nixpkgs'.
  ofThisMachine = name: {
    inherit name;
    outPath = "/usr";
  };
  named =
    name:
    derive {
      inherit name;
      args = [
        "-c"
        # The shell stays to the end: Nix kills a builder that closes its output, as programs do that are about to end.
        "/usr/bin/mkdir $out; exit 0"
      ];
    };

  pkgs = {
    inherit lib;
  }
  // lib.genAttrs [
    "awscli2"
    "cachix"
    "cargo"
    "cargo-nextest"
    "clippy"
    "cmake"
    "curl"
    "deadnix"
    "docker"
    "gawk"
    "gh"
    "gnused"
    "installShellFiles"
    "jq"
    "just"
    "nixfmt-tree"
    "openssh"
    "rustc"
    "rustfmt"
    "unzip"
    "xz"
    "zip"
  ] named
  // {
    qemu-utils = ofThisMachine "qemu-utils";
    zstd = ofThisMachine "zstd";

    stdenv = {
      hostPlatform = {
        inherit system;
        isAarch64 = system == "aarch64-linux";
      };
      buildPlatform.canExecute = platform: platform.system == system;
    };

    runCommand =
      name: attributes: script:
      derive (
        attributes
        // {
          inherit name;
          args = [
            "-euc"
            ''
              export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
              ${script}''
          ];
        }
      );
    writeText = builtins.toFile;
    mkShell = { packages }: named "shell-of-${toString (builtins.length packages)}";
    rustPlatform.buildRustPackage =
      package:
      named "${package.pname}-${package.version}"
      // {
        inherit (package) meta;
        all = builtins.deepSeq package null;
      };
    testers.runNixOSTest =
      test:
      let
        machines = builtins.mapAttrs (
          _: module:
          (lib.nixosSystem {
            modules = [
              module
              { nixpkgs.hostPlatform = system; }
            ];
          }).config.system.build.toplevel
        ) test.nodes;
      in
      builtins.deepSeq machines (named test.name);

    callPackage =
      file: more:
      import file (
        builtins.intersectAttrs (builtins.functionArgs (import file)) (pkgs // { inherit lib; }) // more
      );
  };
in
pkgs
