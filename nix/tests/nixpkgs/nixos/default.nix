# `lib.nixosSystem`: a system of modules, and the images that can be made of it.
{
  lib,
  pkgsFor,
  outPath,
}:
{
  modules,
  specialArgs ? { },
}:
let
  system =
    more:
    let
      evaluated = lib.evalModules {
        modules = [
          ./modules
          ./modules/image/images.nix
        ]
        ++ modules
        ++ more;
        specialArgs = {
          modulesPath = "${outPath}/nixos/modules";
          pkgs = pkgsFor evaluated.config.nixpkgs.hostPlatform;
          # Everything that has a value.
          inherit (evaluated) defined;
          # The same system with one more module.
          extended = module: system [ module ];
        }
        // specialArgs;
      };
    in
    evaluated;
in
system [ ]
