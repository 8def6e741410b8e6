# What nixpkgs' module of this name declares, and defines beside ours; its priorities are nixpkgs'.
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:
let
  cfg = config.virtualisation.azureImage;
  v2 = cfg.vmGeneration == "v2";
in
{
  imports = [
    ../image/file-options.nix
    ./disk-size-option.nix
  ];

  options.virtualisation = {
    azureImage = {
      bootSize = lib.mkOption {
        type = lib.types.int;
        default = 256;
      };
      label = lib.mkOption {
        type = lib.types.str;
        default = "nixos";
      };
      vmGeneration = lib.mkOption {
        type = lib.types.enum [
          "v1"
          "v2"
        ];
        default = "v1";
      };
    };
    azure.acceleratedNetworking = lib.mkOption {
      type = lib.types.bool;
      default = false;
    };
  };

  config = {
    image.extension = "vhd";
    system.nixos.tags = [ "azure" ];
    system.build.image = import "${modulesPath}/../lib/make-disk-image.nix" {
      name = "azure-image";
      inherit config lib pkgs;
      inherit (config.image) baseName;
      inherit (cfg) label;
      inherit (config.virtualisation) diskSize;
      format = "raw";
      bootSize = "${toString cfg.bootSize}M";
      partitionTableType = if v2 then "efi" else "legacy";
      postVM = ''
        qemu-img convert -f raw -o subformat=fixed,force_size -O vpc $diskImage $out/${config.image.fileName}
        rm $diskImage
      '';
    };

    boot.growPartition = true;
    boot.loader.grub = {
      efiSupport = v2;
      device = if v2 then "nodev" else "/dev/sda";
      efiInstallAsRemovable = v2;
    };
    fileSystems."/" = {
      device = "/dev/disk/by-label/${cfg.label}";
      fsType = "ext4";
      autoResize = true;
    };
    fileSystems."/boot" = lib.mkIf v2 {
      device = "/dev/disk/by-label/ESP";
      fsType = "vfat";
    };

    services.waagent.enable = true;
    services.cloud-init.enable = true;
    services.cloud-init.network.enable = true;
    services.openssh.enable = true;
    services.openssh.settings.PermitRootLogin = "prohibit-password";
    services.openssh.settings.ClientAliveInterval = 180;
    networking.useNetworkd = true;
    networking.hostName = lib.mkDefault "";
    networking.usePredictableInterfaceNames = false;
    boot.kernelParams = [
      "console=ttyS0"
      "earlyprintk=ttyS0"
      "rootdelay=300"
      "panic=1"
      "boot.panic_on_fail"
    ];
    boot.initrd.kernelModules = [
      "hv_vmbus"
      "hv_netvsc"
      "hv_utils"
      "hv_storvsc"
    ];
  };
}
