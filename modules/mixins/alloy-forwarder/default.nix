# A machine that takes logs, measures and traces from others of its network, and passes them on to one place with a
# secret that only it has.
{ config, lib, ... }:
let
  cfg = config.publish.alloyForwarder;
  types = lib.types // import ../../lib/types.nix { inherit lib; };
  await = import ../../lib/await.nix { inherit lib; };
in
{
  imports = [ ../alloy ];

  options.publish.alloyForwarder = {
    url = lib.mkOption {
      type = types.str;
      example = "https://otlp-gateway-prod-us-central-0.grafana.net/otlp";
      description = "Where everything goes, by OTLP over HTTP.";
    };
    environmentFile = lib.mkOption {
      type = types.secretFile;
      default = "/run/keys/grafana-cloud";
      description = "`OTLP_USERNAME=…` and `OTLP_PASSWORD=…` for that place. Alloy starts when the file is there.";
    };
  };

  config = lib.mkMerge [
    {
      environment.etc."alloy/config.alloy".text = ''
        otelcol.auth.basic "upstream" {
          username = sys.env("OTLP_USERNAME")
          password = sys.env("OTLP_PASSWORD")
        }

        otelcol.exporter.otlphttp "upstream" {
          client {
            endpoint = "${cfg.url}"
            auth     = otelcol.auth.basic.upstream.handler
          }
        }

        otelcol.processor.batch "default" {
          output {
            metrics = [otelcol.exporter.otlphttp.upstream.input]
            logs    = [otelcol.exporter.otlphttp.upstream.input]
            traces  = [otelcol.exporter.otlphttp.upstream.input]
          }
        }

        otelcol.receiver.prometheus "default" {
          output {
            metrics = [otelcol.processor.batch.default.input]
          }
        }

        otelcol.receiver.loki "default" {
          output {
            logs = [otelcol.processor.batch.default.input]
          }
        }

        // From the network: Prometheus' remote write, Loki's push, and OTLP.
        prometheus.receive_http "network" {
          http {
            listen_address = "0.0.0.0"
            listen_port    = 9090
          }
          forward_to = [otelcol.receiver.prometheus.default.receiver]
        }

        loki.source.api "network" {
          http {
            listen_address = "0.0.0.0"
            listen_port    = 3100
          }
          forward_to = [otelcol.receiver.loki.default.receiver]
        }

        otelcol.receiver.otlp "network" {
          grpc {
            endpoint = "0.0.0.0:4317"
          }
          http {
            endpoint = "0.0.0.0:4318"
          }
          output {
            metrics = [otelcol.processor.batch.default.input]
            logs    = [otelcol.processor.batch.default.input]
            traces  = [otelcol.processor.batch.default.input]
          }
        }
      '';
      services.alloy.extraFlags = [ "--stability.level=public-preview" ];
      systemd.services.alloy.serviceConfig.EnvironmentFile = [ cfg.environmentFile ];
      networking.firewall.allowedTCPPorts = [
        3100
        4317
        4318
        9090
      ];
    }
    (await {
      service = "alloy";
      file = cfg.environmentFile;
    })
  ];
}
