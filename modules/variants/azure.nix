# nixpkgs' own image for Azure, of generation 2.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  imports = [ ../profiles/azure.nix ];

  image.baseName = "${config.publish.image.name}-${config.system.nixos.label}-${pkgs.stdenv.hostPlatform.system}";
  virtualisation.azureImage.vmGeneration = "v2";
  virtualisation.diskSize = config.publish.image.size;

  # What reports to Azure is what publish.azureAgent.kind says, and nothing beside it.
  services.cloud-init.enable = lib.mkForce false;
  services.cloud-init.network.enable = lib.mkForce false;
}
