# An image in all of its variants: `universal`, the VHD that both clouds take, and nixpkgs' own for `azure` and `amazon`.
#
# nixpkgs builds images of a configuration itself since NixOS 25.05 (`system.build.images`). nixos-generators did before, and serves
# where it is given.
{
  nixpkgs,
  nixos-generators ? null,
}:
{
  name,
  system,
  modules,
}:
let
  variants = {
    universal = ../modules/variants/universal.nix;
    azure = ../modules/variants/azure.nix;
    amazon = ../modules/variants/amazon.nix;
  };
  common = [
    ../modules/profiles/base.nix
    {
      nixpkgs.hostPlatform = system;
      publish.image.name = nixpkgs.lib.mkDefault name;
    }
  ]
  ++ modules;

  nixos = nixpkgs.lib.nixosSystem {
    modules = common ++ [ { image.modules = variants; } ];
  };

  generate =
    variant: module:
    nixos-generators.nixosGenerate {
      inherit system;
      modules = common ++ [ module ];
      format = variant;
      # It knows the other two.
      customFormats.universal = {
        formatAttr = "image";
        fileExtension = ".vhd";
      };
    };
in
if nixos-generators == null then
  nixpkgs.lib.genAttrs (builtins.attrNames variants) (
    variant: nixos.config.system.build.images.${variant}
  )
else
  builtins.mapAttrs generate variants
