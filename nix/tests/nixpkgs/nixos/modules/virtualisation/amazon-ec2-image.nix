# What nixpkgs' modules for EC2 (amazon-image.nix, amazon-init.nix, and the image of the same name) declare, and define beside
# ours; its priorities are nixpkgs'.
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:
let
  inherit (config.ec2) efi;
in
{
  imports = [
    ../image/file-options.nix
    ./disk-size-option.nix
  ];

  options = {
    amazonImage.format = lib.mkOption {
      type = lib.types.enum [
        "raw"
        "qcow2"
        "vpc"
      ];
      default = "vpc";
    };
    virtualisation.amazon-init.enable = lib.mkOption {
      type = lib.types.bool;
      default = true;
    };
  };

  config = {
    image.extension = "vhd";
    system.nixos.tags = [ "amazon" ];
    virtualisation.diskSize = lib.mkOverride 1490 (4 * 1024);
    system.build.image = import "${modulesPath}/../lib/make-disk-image.nix" {
      inherit config lib pkgs;
      inherit (config.image) baseName;
      inherit (config.virtualisation) diskSize;
      inherit (config.amazonImage) format;
      partitionTableType = if efi then "efi" else "legacy+gpt";
      postVM = ''
        echo '{"boot_mode": "${
          if efi then "uefi" else "legacy-bios"
        }", "file": "'"$diskImage"'"}' > $out/nix-support/image-info.json
      '';
    };

    boot.growPartition = true;
    boot.initrd.availableKernelModules = [ "nvme" ];
    boot.kernelParams = [
      "console=ttyS0,115200n8"
      "random.trust_cpu=on"
      "panic=1"
      "boot.panic_on_fail"
    ];
    boot.loader.grub = {
      device = if efi then "nodev" else "/dev/xvda";
      efiSupport = efi;
      efiInstallAsRemovable = efi;
    };
    boot.loader.timeout = 1;
    fileSystems."/" = {
      device = "/dev/disk/by-label/nixos";
      fsType = "ext4";
      autoResize = true;
    };
    fileSystems."/boot" = lib.mkIf efi {
      device = "/dev/disk/by-label/ESP";
      fsType = "vfat";
    };
    services.amazon-ssm-agent.enable = true;
    services.openssh.enable = true;
    services.openssh.settings.PermitRootLogin = "prohibit-password";
    networking.hostName = lib.mkDefault "";
    systemd.services = lib.genAttrs [ "fetch-ec2-metadata" "apply-ec2-data" ] (_: {
      wantedBy = [ "multi-user.target" ];
    });
  };
}
