{
  description = "A stand-in for nixpkgs, for tests that have none";

  outputs =
    { self }:
    let
      lib = import ./lib // {
        nixosSystem = import ./nixos {
          inherit lib pkgsFor;
          inherit (self) outPath;
        };
      };
      pkgsFor = system: import ./pkgs { inherit lib system; };
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] pkgsFor;
    };
}
