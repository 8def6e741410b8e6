# `system.build.images`: a variant of the system for each module of `image.modules`.
{
  config,
  extended,
  lib,
  modulesPath,
  ...
}:
{
  options.image.modules = lib.mkOption {
    type = lib.types.attrsOf lib.types.deferredModule;
    default = { };
  };

  config = {
    image.modules = {
      azure.imports = [ "${modulesPath}/virtualisation/azure-image.nix" ];
      amazon.imports = [ "${modulesPath}/virtualisation/amazon-ec2-image.nix" ];
    };
    system.build.images = builtins.mapAttrs (
      _: module:
      let
        variant = (extended module).config;
      in
      variant.system.build.image
      // {
        passthru = {
          config = variant;
          inherit (variant.image) filePath;
        };
      }
    ) config.image.modules;
  };
}
