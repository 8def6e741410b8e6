# Types that nixpkgs does not have.
{ lib }:
{
  # A file that is there when a machine runs and not when its image is built. A path literal would be copied into the
  # store, where everybody reads it, so it is a string; and one that names the store is refused.
  secretFile = lib.mkOptionType {
    name = "secretFile";
    description = "absolute path, as a string, of a file outside the Nix store";
    check =
      file:
      builtins.isString file && lib.hasPrefix "/" file && !lib.hasPrefix "${builtins.storeDir}/" file;
    merge = lib.mergeEqualOption;
  };
}
