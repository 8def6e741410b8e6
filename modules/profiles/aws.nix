# What a machine needs to run on EC2, however its image was made: on Nitro, with ENA and NVMe.
{ lib, ... }:
{
  imports = [ ../mixins/ssm-agent ];

  publish.clouds = [ "aws" ];

  boot.initrd.availableKernelModules = [
    "ena"
    "nvme"
  ];
  boot.kernelParams = [
    "console=ttyS0,115200n8"
    # EBS answers late rather than never (EC2 User Guide, "I/O operation timeout").
    "nvme_core.io_timeout=4294967295"
    "panic=1"
    "boot.panic_on_fail"
  ];

  networking.useNetworkd = lib.mkDefault true;
}
