# What every image has: it boots with UEFI on both clouds, and nobody logs in with a password.
{ lib, ... }:
{
  # Without a number here, nixpkgs grows the disk after its VHD footer was written, and Azure refuses it
  # (nixpkgs #516860).
  virtualisation.diskSize = lib.mkDefault 4096;
  virtualisation.azureImage.vmGeneration = lib.mkDefault "v2";

  # Hyper-V's and Nitro's disks and networks, from the first moment on.
  boot.initrd.availableKernelModules = [
    "hv_netvsc"
    "hv_storvsc"
    "hv_utils"
    "hv_vmbus"
    "ena"
    "nvme"
  ];

  services.openssh = {
    enable = true;
    settings.PasswordAuthentication = false;
    settings.PermitRootLogin = "prohibit-password";
  };
  users.mutableUsers = false;

  system.stateVersion = lib.mkDefault "25.05";
}
