# What a machine needs to run on Azure, however its image was made.
{ lib, pkgs, ... }:
{
  publish.clouds = [ "azure" ];

  # Hyper-V's bus, disk and network, and what sizes with NVMe disks boot from.
  boot.initrd.availableKernelModules = [
    "hv_netvsc"
    "hv_storvsc"
    "hv_utils"
    "hv_vmbus"
    "nvme"
    "pci-hyperv"
  ];
  boot.kernelParams = [
    (if pkgs.stdenv.hostPlatform.isAarch64 then "console=ttyAMA0" else "console=ttyS0")
    # A disk may take its time to appear.
    "rootdelay=300"
    # Nobody is at the console: a machine that cannot boot starts again.
    "panic=1"
    "boot.panic_on_fail"
  ];

  # Accelerated networking adds a second interface that hv_netvsc drives; it gets no address of its own.
  networking.useNetworkd = lib.mkDefault true;
  systemd.network.networks."01-azure-accelerated" = {
    matchConfig.Driver = [
      "mana"
      "mlx4_en"
      "mlx5_core"
    ];
    linkConfig.Unmanaged = true;
  };

  # Azure drops connections that are silent for four minutes.
  services.openssh.settings.ClientAliveInterval = lib.mkDefault 180;
}
