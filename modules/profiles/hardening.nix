# For machines that face more than their own network. It costs what it says: no debugging of other people's processes, no
# core dumps, every program that is started is written down.
{ config, lib, ... }:
let
  cfg = config.publish.hardening;
in
{
  options.publish.hardening = {
    audit = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether every program that is started is written to the audit log.";
    };
    immutableEtc = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = ''
        Whether `/etc` is read-only, too. Nothing that writes there at run time works then: no walinuxagent, and on EC2
        neither host keys from user data nor the key pair of the machine.
      '';
    };
  };

  config = lib.mkMerge [
    {
      boot.kernel.sysctl = {
        "kernel.dmesg_restrict" = 1;
        "kernel.kptr_restrict" = 2;
        "kernel.unprivileged_bpf_disabled" = 1;
        "kernel.yama.ptrace_scope" = 1;
        "net.core.bpf_jit_harden" = 2;
        "net.ipv4.conf.all.accept_redirects" = 0;
        "net.ipv4.conf.all.send_redirects" = 0;
        "net.ipv4.conf.default.accept_redirects" = 0;
        "net.ipv6.conf.all.accept_redirects" = 0;
        "net.ipv6.conf.default.accept_redirects" = 0;
      };
      # File systems and protocols that no server of these uses and that had holes.
      boot.blacklistedKernelModules = [
        "cramfs"
        "dccp"
        "hfs"
        "hfsplus"
        "rds"
        "sctp"
        "tipc"
      ];
      security.protectKernelImage = lib.mkDefault true;
      security.sudo.execWheelOnly = true;
      # Who comes in through Systems Manager may still administer.
      users.users.ssm-user = lib.mkIf config.services.amazon-ssm-agent.enable {
        extraGroups = [ "wheel" ];
      };
      systemd.coredump.enable = false;
      networking.firewall.enable = true;
      services.openssh.settings = {
        AllowUsers = [ config.publish.admin.name ];
        X11Forwarding = false;
      };
    }
    (lib.mkIf cfg.audit {
      security.auditd.enable = true;
      security.audit = {
        enable = true;
        rules = [ "-a exit,always -F arch=b64 -S execve" ];
      };
    })
    (lib.mkIf cfg.immutableEtc {
      system.etc.overlay = {
        enable = true;
        mutable = false;
      };
      services.userborn.enable = true;
      # systemd does not boot where it is missing and cannot be written; where it is empty, it is made up anew on each boot.
      environment.etc.machine-id = {
        text = "";
        mode = "0444";
      };
      # What is made on the first boot has to be somewhere.
      services.openssh.hostKeys = [
        {
          path = "/var/lib/ssh/ssh_host_ed25519_key";
          type = "ed25519";
        }
      ];
      assertions = [
        {
          assertion = !config.services.waagent.enable;
          message = "publish.hardening.immutableEtc and publish.azureAgent.kind = \"walinuxagent\" exclude each other: that agent writes to /etc.";
        }
      ];
    })
  ];
}
