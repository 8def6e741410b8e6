{
  description = "One disk image in, the same image on every cloud out";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      eachSystem = f: nixpkgs.lib.genAttrs systems (system: f system nixpkgs.legacyPackages.${system});
      image = import ./nix/image.nix { inherit nixpkgs; };
    in
    {
      packages = eachSystem (
        system: pkgs: {
          default = self.packages.${system}.publish;
          publish = pkgs.callPackage ./nix/publish.nix { };
          ecs-node = image {
            inherit system;
            name = "ecs-node";
            modules = [
              ./modules/mixins/docker
              ./modules/mixins/ecs-agent
            ];
          };
        }
      );

      nixosModules = {
        base = ./modules/profiles/base.nix;
        docker = ./modules/mixins/docker;
        ecs-agent = ./modules/mixins/ecs-agent;
      };

      devShells = eachSystem (
        system: pkgs: {
          default = pkgs.mkShell {
            packages = [
              pkgs.cargo
              pkgs.cargo-nextest
              pkgs.clippy
              pkgs.just
              pkgs.qemu-utils
              pkgs.rustc
              pkgs.rustfmt
            ];
          };
        }
      );

      formatter = eachSystem (system: pkgs: pkgs.nixfmt-rfc-style);
    };
}
