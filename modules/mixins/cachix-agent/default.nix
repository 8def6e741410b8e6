# Cachix Deploy's agent: the machine takes the system that it is told to take.
{ config, lib, ... }:
let
  cfg = config.publish.cachixAgent;
  types = lib.types // import ../../lib/types.nix { inherit lib; };
  await = import ../../lib/await.nix { inherit lib; };
in
{
  options.publish.cachixAgent = {
    name = lib.mkOption {
      type = types.str;
      default = config.networking.hostName;
      defaultText = "the machine's name";
      description = "What Cachix calls the machine.";
    };
    credentialsFile = lib.mkOption {
      type = types.secretFile;
      default = "/run/keys/cachix-agent";
      description = "`CACHIX_AGENT_TOKEN=…`. The agent starts when the file is there.";
    };
  };

  config = lib.mkMerge [
    {
      services.cachix-agent = {
        enable = true;
        inherit (cfg) name credentialsFile;
      };
    }
    (await {
      service = "cachix-agent";
      file = cfg.credentialsFile;
    })
  ];
}
