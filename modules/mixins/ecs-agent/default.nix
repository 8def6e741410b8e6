# The agent by which a machine joins an ECS cluster. Its configuration is read when it starts, and is in no store.
{ config, lib, ... }:
let
  cfg = config.services.ecs-agent-container;
in
{
  options.services.ecs-agent-container = {
    image = lib.mkOption {
      type = lib.types.str;
      default = "public.ecr.aws/ecs/amazon-ecs-agent:v1.82.3";
      description = "The agent's container image.";
    };
    environmentFile = lib.mkOption {
      type = lib.types.str;
      default = "/run/keys/ecs.config";
      description = "A file with ECS_CLUSTER and what else the agent reads, there before the agent starts.";
    };
  };

  config.virtualisation.oci-containers = {
    backend = "docker";
    containers.ecs-agent = {
      inherit (cfg) image;
      environmentFiles = [ cfg.environmentFile ];
      volumes = [
        "/var/run/docker.sock:/var/run/docker.sock"
        "/var/lib/ecs/data:/data"
        "/var/log/ecs:/log"
      ];
      extraOptions = [ "--network=host" ];
    };
  };
}
