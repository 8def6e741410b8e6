# One VHD that both clouds take as it is: fixed, whole MiB, GPT, an EFI system partition with systemd-boot, the drivers of
# both in the initrd. It boots on Azure's generation 2 and on EC2 in boot mode uefi.
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:
let
  inherit (config.publish) image;
  inherit (config.image) fileName;
  vhd = lib.removeSuffix ".zst" fileName;
  # What `publish` compares the disk with before it asks a cloud anything.
  info = {
    label = config.system.nixos.label;
    boot_mode = "uefi";
    inherit (pkgs.stdenv.hostPlatform) system;
    logical_bytes = image.size * 1024 * 1024;
    file = fileName;
  };
in
{
  imports = [
    "${modulesPath}/image/file-options.nix"
    ../profiles/azure.nix
    ../profiles/aws.nix
  ];

  image = {
    baseName = "${image.name}-${config.system.nixos.label}-${pkgs.stdenv.hostPlatform.system}";
    extension = if image.compress then "vhd.zst" else "vhd";
  };

  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
    autoResize = true;
  };
  fileSystems."/boot" = {
    device = "/dev/disk/by-label/ESP";
    fsType = "vfat";
  };

  system.build.image = import "${modulesPath}/../lib/make-disk-image.nix" {
    inherit config lib pkgs;
    name = "${image.name}-universal";
    format = "raw";
    partitionTableType = "efi";
    diskSize = image.size;
    label = "nixos";
    # nixpkgs is in the flake's lock; a copy of it would be a third of the image.
    copyChannel = false;
    postVM = ''
      vhd=$out/${vhd}
      ${lib.getExe' pkgs.qemu-utils "qemu-img"} convert -f raw -O vpc -o subformat=fixed,force_size=on "$diskImage" "$vhd"
      rm "$diskImage"
    ''
    + lib.optionalString image.compress ''
      ${lib.getExe pkgs.zstd} --quiet --rm -T0 "$vhd"
    ''
    + ''
      mkdir -p "$out/nix-support"
      echo "file vhd $out/${fileName}" > "$out/nix-support/hydra-build-products"
      cp ${pkgs.writeText "image-info.json" (builtins.toJSON info)} "$out/nix-support/image-info.json"
    '';
  };
}
