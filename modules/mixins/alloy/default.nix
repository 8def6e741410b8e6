# Grafana Alloy: the machine's journal and its measures, to wherever OTLP is spoken.
{ config, lib, ... }:
let
  cfg = config.publish.alloy;
in
{
  options.publish.alloy = {
    endpoint = lib.mkOption {
      type = lib.types.str;
      example = "gc-fwd.internal:4317";
      description = "Where logs and measures go, by OTLP over gRPC: host and port, such as those of a forwarder.";
    };
    tls = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether that is spoken to over TLS. A forwarder in the same network has no certificate.";
    };
  };

  config = {
    services.alloy.enable = true;
    # Alloy reads every file of its folder as one; other mixins add theirs.
    environment.etc = {
      "alloy/base.alloy".source = ./base.alloy;
      "alloy/config.alloy".text = lib.mkDefault ''
        otelcol.exporter.otlp "default" {
          client {
            endpoint = "${cfg.endpoint}"
            tls {
              insecure = ${lib.boolToString (!cfg.tls)}
            }
          }
        }

        otelcol.receiver.prometheus "default" {
          output {
            metrics = [otelcol.exporter.otlp.default.input]
          }
        }

        otelcol.receiver.loki "default" {
          output {
            logs = [otelcol.exporter.otlp.default.input]
          }
        }
      '';
    };
  };
}
