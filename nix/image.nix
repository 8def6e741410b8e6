# An image that both clouds take: a fixed VHD with a GPT and an EFI system partition, through the image builder that
# nixpkgs has since NixOS 25.05.
{ nixpkgs }:
{
  system,
  name,
  modules,
}:
(nixpkgs.lib.nixosSystem {
  inherit system;
  modules = [
    ../modules/profiles/base.nix
    { networking.hostName = nixpkgs.lib.mkDefault name; }
  ]
  ++ modules;
}).config.system.build.images.azure
