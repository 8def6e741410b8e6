{
  description = "An image of one's own, published to both clouds";

  inputs = {
    # Wherever you have publish: `nix registry add publish URL` says where, for all of your flakes.
    publish.url = "flake:publish";
    nixpkgs.follows = "publish/nixpkgs";
  };

  outputs =
    { nixpkgs, publish, ... }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      eachSystem = nixpkgs.lib.genAttrs systems;
    in
    {
      packages = eachSystem (
        system:
        let
          web = publish.lib.image {
            name = "web";
            inherit system;
            modules = [
              publish.nixosModules.hardening
              ./web.nix
            ];
          };
        in
        {
          # One VHD for both clouds; nixpkgs' own are web.azure and web.amazon.
          web = web.universal;
          # `nix run .#publish` is of the version that is in the lock.
          inherit (publish.packages.${system}) publish;
        }
      );

      devShells = eachSystem (system: {
        default = nixpkgs.legacyPackages.${system}.mkShell {
          packages = [ publish.packages.${system}.publish ];
        };
      });
    };
}
