{
  config,
  lib,
  pkgs,
  ...
}:
let
  str = default: lib.mkOption ({ type = lib.types.str; } // default);
in
{
  options.image = {
    baseName = str {
      default = "nixos-image-${config.system.nixos.label}-${pkgs.stdenv.hostPlatform.system}";
    };
    extension = str { };
    fileName = str { default = "${config.image.baseName}.${config.image.extension}"; };
    filePath = str { default = config.image.fileName; };
  };
}
