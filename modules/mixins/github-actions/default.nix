# A runner of GitHub Actions, for workflows that build with Nix and Docker.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.publish.githubRunner;
  types = lib.types // import ../../lib/types.nix { inherit lib; };
  await = import ../../lib/await.nix { inherit lib; };
  user = "github-runner";
in
{
  imports = [ ../docker ];

  options.publish.githubRunner = {
    url = lib.mkOption {
      type = types.str;
      example = "https://github.com/acme";
      description = "The organization or repository that the runner is of.";
    };
    tokenFile = lib.mkOption {
      type = types.secretFile;
      default = "/run/keys/github-runner";
      description = ''
        A personal access token, or a registration token, which is valid for an hour. The runner starts when the file is
        there.
      '';
    };
    name = lib.mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "What GitHub calls the runner; the machine's name if it is null.";
    };
    labels = lib.mkOption {
      type = types.listOf types.str;
      default = [
        "nixos"
        "nix"
        pkgs.stdenv.hostPlatform.system
      ];
      description = "Labels by which workflows ask for it, beside GitHub's own.";
    };
    ephemeral = lib.mkOption {
      type = types.bool;
      default = false;
      description = "Whether it is registered for each job anew, and nothing of a job is left for the next. It wants a personal access token.";
    };
    packages = lib.mkOption {
      type = types.listOf types.package;
      default = [
        pkgs.awscli2
        pkgs.cachix
        pkgs.curl
        pkgs.docker
        pkgs.gawk
        pkgs.gh
        pkgs.jq
        pkgs.just
        pkgs.openssh
        pkgs.unzip
        pkgs.xz
        pkgs.zip
        pkgs.zstd
      ];
      defaultText = "what workflows commonly call";
      description = "Programs that workflows find, beside those of the runner.";
    };
  };

  config = lib.mkMerge [
    {
      services.github-runners.runner = {
        enable = true;
        inherit (cfg)
          ephemeral
          name
          tokenFile
          url
          ;
        inherit user;
        # A machine that starts again is the same runner.
        replace = true;
        extraLabels = cfg.labels;
        extraPackages = cfg.packages;
        serviceOverrides = {
          # Docker's socket, and builds of Nix that it is trusted with.
          SupplementaryGroups = [ "docker" ];
          PrivateUsers = false;
          ProtectHome = "tmpfs";
        };
      };
      users.groups.${user} = { };
      users.users.${user} = {
        isSystemUser = true;
        group = user;
        extraGroups = [ "docker" ];
      };
      nix.settings = {
        experimental-features = [
          "nix-command"
          "flakes"
        ];
        trusted-users = [ user ];
        # Workflows leave what they built; Nix makes room when there is 1 GiB left.
        min-free = 1024 * 1024 * 1024;
        max-free = 3 * 1024 * 1024 * 1024;
      };
    }
    (await {
      service = "github-runner-runner";
      file = cfg.tokenFile;
    })
  ];
}
