# What tells Azure that a machine made of a generalized image has started. Without that, Azure takes its provisioning for
# failed. It does nothing on other clouds. docs/nix.md says what each kind gives.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.publish.azureAgent;
  # Hyper-V, as systemd-detect-virt calls it.
  onAzure.unitConfig.ConditionVirtualization = "microsoft";
in
{
  options.publish.azureAgent.kind = lib.mkOption {
    type = lib.types.enum [
      "report-ready"
      "walinuxagent"
      "none"
    ];
    default = "report-ready";
    description = ''
      - `report-ready`: tells Azure that the machine is ready, and is gone. Users and keys are the image's; machines are created
        with `--enable-agent false`.
      - `walinuxagent`: Microsoft's agent, in Python: users, keys and extensions of Azure.
      - `none`: for machines of specialized images, from which Azure expects nothing.
    '';
  };

  config = lib.mkIf (builtins.elem "azure" config.publish.clouds) {
    # nixpkgs' image for Azure enables it itself.
    services.waagent.enable = lib.mkForce (cfg.kind == "walinuxagent");

    systemd.services = lib.mkMerge [
      (lib.mkIf (cfg.kind == "walinuxagent") { waagent = onAzure; })
      (lib.mkIf (cfg.kind == "report-ready") {
        azure-report-ready = lib.mkMerge [
          onAzure
          {
            description = "Tell Azure that this machine has started";
            wantedBy = [ "multi-user.target" ];
            wants = [ "network-online.target" ];
            after = [ "network-online.target" ];
            path = [
              pkgs.curl
              pkgs.gnused
            ];
            serviceConfig = {
              Type = "oneshot";
              RemainAfterExit = true;
              DynamicUser = true;
              # Whether Azure knows decides whether it lets the machine live: it is told until it does.
              Restart = "on-failure";
              RestartSec = 15;
            };
            unitConfig.StartLimitIntervalSec = 0;
            script = builtins.readFile ./report-ready.sh;
          }
        ];
      })
    ];
  };
}
