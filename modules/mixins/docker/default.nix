# Containers, by Docker; also those that the configuration declares.
{ config, lib, ... }:
let
  cfg = config.publish.docker;
in
{
  options.publish.docker.prune = lib.mkOption {
    type = lib.types.bool;
    default = true;
    description = "Whether images and containers that nothing uses are removed once a week.";
  };

  config = {
    virtualisation.docker = {
      enable = true;
      logDriver = "journald";
      autoPrune.enable = cfg.prune;
    };
    virtualisation.oci-containers.backend = "docker";

    # Where Alloy runs, containers are measured too. Its group is Docker's then, which may do everything on the machine.
    environment.etc."alloy/docker.alloy" = lib.mkIf (config.publish ? alloy) {
      source = ./docker.alloy;
    };
    systemd.services.alloy = lib.mkIf (config.publish ? alloy) {
      serviceConfig.SupplementaryGroups = [ "docker" ];
    };
  };
}
