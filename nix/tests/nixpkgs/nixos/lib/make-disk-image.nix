# A disk as nixpkgs' function of this name lays it out, and with a boot file that does nothing where NixOS would be.
{
  config,
  lib,
  pkgs,
  name ? "nixos-disk-image",
  baseName ? "nixos",
  format ? "raw",
  partitionTableType ? "legacy",
  diskSize ? "auto",
  label ? "nixos",
  bootSize ? "256M",
  contents ? [ ],
  configFile ? null,
  copyChannel ? true,
  postVM ? "",
}:
assert partitionTableType == "efi";
assert builtins.isInt diskSize;
assert lib.hasSuffix "M" bootSize;
let
  extension = {
    raw = "img";
    vpc = "vhd";
  };
  machine = if pkgs.stdenv.hostPlatform.isAarch64 then "AA64" else "X64";
in
pkgs.runCommand name
  {
    inherit
      baseName
      bootSize
      diskSize
      format
      label
      machine
      postVM
      ;
    extension = extension.${format};
    # It is not in the image; that it can be made is what is looked at.
    system_ = config.system.build.toplevel;
    unused = builtins.toJSON { inherit contents configFile copyChannel; };
  }
  ''
    . ${./make-disk-image.sh}
  ''
