# nixpkgs' own image for EC2, booting by UEFI.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  imports = [ ../profiles/aws.nix ];

  image.baseName = "${config.publish.image.name}-${config.system.nixos.label}-${pkgs.stdenv.hostPlatform.system}";
  ec2.efi = true;
  virtualisation.diskSize = config.publish.image.size;

  # User data does not rebuild the machine: what it is, is in the image.
  virtualisation.amazon-init.enable = false;

  # What these learn of EC2 they write to /etc.
  systemd.services = lib.mkIf (!config.system.etc.overlay.mutable) {
    fetch-ec2-metadata.enable = false;
    apply-ec2-data.enable = false;
  };
}
