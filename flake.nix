{
  description = "One disk image in, the same image on every cloud out";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      eachSystem = f: lib.genAttrs systems (system: f system nixpkgs.legacyPackages.${system});
      image = import ./nix/image.nix { inherit nixpkgs; };

      # `ecs-node` is the VHD that both clouds take; `ecs-node-azure` and `ecs-node-amazon` are nixpkgs' own.
      imagesFor =
        system:
        lib.concatMapAttrs (
          name: modules:
          let
            variants = image { inherit name system modules; };
          in
          {
            ${name} = variants.universal;
            "${name}-azure" = variants.azure;
            "${name}-amazon" = variants.amazon;
          }
        ) (import ./nix/images.nix);
    in
    {
      packages = eachSystem (
        system: pkgs:
        imagesFor system
        // {
          default = self.packages.${system}.publish;
          publish = pkgs.callPackage ./nix/publish.nix { };
        }
      );

      # For flakes of others: `lib.image { name; system; modules; }` gives the variants.
      lib = { inherit image; };

      # In a form that Nix before 2.9 takes for modules, too.
      nixosModules = builtins.mapAttrs (_: module: { imports = [ module ]; }) {
        base = ./modules/profiles/base.nix;
        azure = ./modules/profiles/azure.nix;
        aws = ./modules/profiles/aws.nix;
        hardening = ./modules/profiles/hardening.nix;

        alloy = ./modules/mixins/alloy;
        alloy-forwarder = ./modules/mixins/alloy-forwarder;
        azure-agent = ./modules/mixins/azure-agent;
        cachix-agent = ./modules/mixins/cachix-agent;
        docker = ./modules/mixins/docker;
        ecs-agent = ./modules/mixins/ecs-agent;
        github-actions = ./modules/mixins/github-actions;
        ssm-agent = ./modules/mixins/ssm-agent;
      };

      overlays.default = final: _: { publish = final.callPackage ./nix/publish.nix { }; };

      apps = eachSystem (
        system: _: {
          default = {
            type = "app";
            program = lib.getExe self.packages.${system}.publish;
            meta.description = "Publish a disk image to Azure and AWS";
          };
        }
      );

      templates.default = {
        path = ./examples/flake;
        description = "An image of one's own, published to both clouds";
      };

      checks = eachSystem (_: pkgs: import ./nix/checks.nix { inherit pkgs; });

      devShells = eachSystem (
        _: pkgs: {
          default = pkgs.mkShell {
            packages = [
              pkgs.cargo
              pkgs.cargo-nextest
              pkgs.clippy
              pkgs.cmake
              pkgs.deadnix
              pkgs.just
              pkgs.qemu-utils
              pkgs.rustc
              pkgs.rustfmt
            ];
          };
        }
      );

      formatter = eachSystem (_: pkgs: pkgs.nixfmt-tree);
    };
}
