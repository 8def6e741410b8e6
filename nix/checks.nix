# What `nix flake check` runs beside evaluating everything: machines that boot, and are asked.
{ pkgs }:
let
  base = {
    imports = [ ../modules/profiles/base.nix ];
    publish.image.name = "machine";
    # The test's machine has a disk and a boot loader of its own.
    boot.loader.systemd-boot.enable = pkgs.lib.mkForce false;
  };
  machine =
    name: module: testScript:
    pkgs.testers.runNixOSTest {
      inherit name testScript;
      nodes.machine.imports = [
        base
        module
      ];
    };
in
{
  base = machine "base" { publish.admin.keys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" ]; } ''
    machine.wait_for_unit("sshd.service")
    machine.succeed("test $(hostname) = machine")
    machine.succeed("sudo -u admin sudo -n true")
    machine.fail("touch /nix/store/x")
    machine.succeed("grep -q '^admin:!' /etc/shadow")
  '';

  alloy =
    machine "alloy"
      {
        imports = [ ../modules/mixins/alloy ];
        publish.alloy.endpoint = "127.0.0.1:4317";
      }
      ''
        machine.wait_for_unit("alloy.service")
        machine.wait_for_open_port(12345)
        machine.succeed("curl --fail http://127.0.0.1:12345/-/ready")
      '';

  secret =
    machine "secret"
      {
        imports = [ ../modules/mixins/alloy-forwarder ];
        publish.alloyForwarder.url = "http://127.0.0.1:1/otlp";
      }
      ''
        machine.wait_for_unit("multi-user.target")
        machine.fail("systemctl is-active alloy.service")
        machine.succeed("install -D -m 600 /dev/stdin /run/keys/grafana-cloud <<< 'OTLP_PASSWORD=x'")
        machine.wait_for_unit("alloy.service")
      '';
}
