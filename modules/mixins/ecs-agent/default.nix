# The agent by which a machine joins a cluster of Amazon ECS, as a container.
{ config, lib, ... }:
let
  cfg = config.publish.ecsAgent;
  types = lib.types // import ../../lib/types.nix { inherit lib; };
  await = import ../../lib/await.nix { inherit lib; };
  # Where tasks ask for their credentials, and where the agent answers (Amazon ECS Developer Guide, "Task IAM role").
  credentials = "169.254.170.2";
  agent = "51679";
in
{
  imports = [ ../docker ];

  options.publish.ecsAgent = {
    image = lib.mkOption {
      type = types.str;
      default = "public.ecr.aws/ecs/amazon-ecs-agent:v1.82.3";
      description = "The agent's container image.";
    };
    environmentFile = lib.mkOption {
      type = types.secretFile;
      default = "/run/keys/ecs.config";
      description = "`ECS_CLUSTER=…` and what else the agent is to know. The agent starts when the file is there.";
    };
    environment = lib.mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = {
        ECS_LOGLEVEL = "debug";
      };
      description = "Variables of the agent that are no secrets.";
    };
  };

  config = lib.mkMerge [
    {
      virtualisation.oci-containers.containers.ecs-agent = {
        inherit (cfg) image;
        environment = {
          ECS_AVAILABLE_LOGGING_DRIVERS = ''["journald"]'';
          ECS_DATADIR = "/data";
          ECS_ENABLE_PROMETHEUS_METRICS = "true";
          ECS_ENABLE_SPOT_INSTANCE_DRAINING = "true";
          ECS_ENABLE_TASK_IAM_ROLE = "true";
          ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST = "true";
          # The image is what is updated.
          ECS_UPDATES_ENABLED = "false";
        }
        // cfg.environment;
        environmentFiles = [ cfg.environmentFile ];
        extraOptions = [ "--network=host" ];
        volumes = [
          "/var/run/docker.sock:/var/run/docker.sock"
          "/var/log/ecs:/log"
          "/var/lib/ecs/data:/data"
        ];
      };
      systemd.tmpfiles.rules = [
        "d /var/log/ecs 0755 root root -"
        "d /var/lib/ecs/data 0755 root root -"
      ];

      # Tasks reach the agent at an address of the link: those of the host's network, and those behind Docker's bridge.
      boot.kernel.sysctl."net.ipv4.conf.all.route_localnet" = 1;
      networking.firewall.extraCommands = ''
        iptables -A nixos-fw -i docker0 -p tcp -d 127.0.0.1 --dport ${agent} -j nixos-fw-accept
        iptables -t nat -A PREROUTING -i docker0 -p tcp -d ${credentials} --dport 80 -j DNAT --to-destination 127.0.0.1:${agent}
        iptables -t nat -A OUTPUT -p tcp -d ${credentials} --dport 80 -j REDIRECT --to-ports ${agent}
      '';
      networking.firewall.extraStopCommands = ''
        iptables -t nat -D PREROUTING -i docker0 -p tcp -d ${credentials} --dport 80 -j DNAT --to-destination 127.0.0.1:${agent} || true
        iptables -t nat -D OUTPUT -p tcp -d ${credentials} --dport 80 -j REDIRECT --to-ports ${agent} || true
      '';

      environment.etc."alloy/ecs-agent.alloy" = lib.mkIf (config.publish ? alloy) {
        source = ./ecs-agent.alloy;
      };
    }
    (await {
      service = "docker-ecs-agent";
      file = cfg.environmentFile;
    })
  ];
}
