# Options of NixOS that our modules define, with nixpkgs' types, and what becomes of them.
{
  config,
  defined,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) types;
  option = type: lib.mkOption { inherit type; };
  with' = type: default: lib.mkOption { inherit type default; };
  flag = with' types.bool false;
  on = with' types.bool true;
  strings = with' (types.listOf types.str) [ ];
  text = with' types.lines "";
  # Settings of a program, which it knows better than NixOS does.
  freely = with' (types.attrsOf types.atom) { };
  each = options: with' (types.attrsOf (types.submodule { inherit options; })) { };

  unit = {
    enable = on;
    description = with' types.str "";
    wantedBy = strings;
    wants = strings;
    after = strings;
    unitConfig = freely;
  };

  failed = builtins.filter (assertion: !assertion.assertion) config.assertions;
in
{
  options = {
    assertions = with' (types.listOf types.raw) [ ];
    warnings = strings;
    nixpkgs.hostPlatform = option types.str;

    boot = {
      blacklistedKernelModules = strings;
      growPartition = flag;
      kernel.sysctl = freely;
      kernelParams = strings;
      tmp.cleanOnBoot = flag;
      initrd = {
        availableKernelModules = strings;
        kernelModules = strings;
        systemd.enable = on;
      };
      loader = {
        efi.canTouchEfiVariables = flag;
        timeout = with' (types.nullOr types.int) 5;
        grub = {
          enable = on;
          device = with' types.str "";
          efiSupport = flag;
          efiInstallAsRemovable = flag;
        };
        systemd-boot = {
          enable = flag;
          editor = on;
          configurationLimit = with' (types.nullOr types.int) null;
        };
      };
    };
    documentation.enable = on;
    documentation.nixos.enable = on;
    ec2.efi = flag;
    environment.defaultPackages = with' (types.listOf types.package) [ ];
    environment.etc = with' (types.attrsOf (
      types.submodule (
        { name, config, ... }:
        {
          options = {
            text = with' (types.nullOr types.lines) null;
            mode = with' types.str "symlink";
            source = lib.mkOption { type = types.path; };
          };
          config.source = lib.mkIf (config.text != null) (
            lib.mkDefault (pkgs.writeText (baseNameOf name) config.text)
          );
        }
      )
    )) { };
    fileSystems = each {
      device = with' (types.nullOr types.str) null;
      fsType = option types.str;
      autoResize = flag;
      options = strings;
    };
    fonts.fontconfig.enable = on;
    networking = {
      hostName = with' (types.strMatching "([[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?)?") "nixos";
      useNetworkd = flag;
      usePredictableInterfaceNames = on;
      firewall = {
        enable = on;
        allowedTCPPorts = with' (types.listOf types.ints.unsigned) [ ];
        extraCommands = text;
        extraStopCommands = text;
      };
    };
    nix.settings = freely;
    security = {
      audit.enable = with' (types.enum [
        false
        true
        "lock"
      ]) false;
      audit.rules = strings;
      auditd.enable = flag;
      protectKernelImage = flag;
      sudo.execWheelOnly = flag;
      sudo.wheelNeedsPassword = on;
    };
    services = {
      alloy = {
        enable = flag;
        configPath = with' types.path "/etc/alloy";
        extraFlags = strings;
      };
      amazon-ssm-agent.enable = flag;
      cachix-agent = {
        enable = flag;
        name = with' types.str config.networking.hostName;
        credentialsFile = with' types.path "/etc/cachix-agent.token";
      };
      cloud-init.enable = flag;
      cloud-init.network.enable = flag;
      github-runners = each {
        enable = flag;
        url = option types.str;
        tokenFile = option types.path;
        name = with' (types.nullOr types.str) null;
        user = with' (types.nullOr types.str) null;
        replace = flag;
        ephemeral = flag;
        extraLabels = strings;
        extraPackages = with' (types.listOf types.package) [ ];
        serviceOverrides = freely;
      };
      openssh = {
        enable = flag;
        hostKeys = with' (types.listOf (types.attrsOf types.atom)) [ ];
        settings = with' (types.submodule {
          options = {
            _freeform = types.attrsOf types.atom;
            PasswordAuthentication = with' (types.nullOr types.bool) true;
            KbdInteractiveAuthentication = with' (types.nullOr types.bool) true;
            X11Forwarding = with' (types.nullOr types.bool) false;
            AllowUsers = with' (types.nullOr (types.listOf types.str)) null;
            PermitRootLogin = with' (types.nullOr (
              types.enum [
                "yes"
                "without-password"
                "prohibit-password"
                "forced-commands-only"
                "no"
              ]
            )) "prohibit-password";
          };
        }) { };
      };
      nginx.enable = flag;
      userborn.enable = flag;
      waagent.enable = flag;
    };
    system = {
      build = with' (types.lazyAttrsOf types.raw) { };
      etc.overlay.enable = flag;
      etc.overlay.mutable = on;
      nixos.label = with' types.str (
        builtins.concatStringsSep "-" (config.system.nixos.tags ++ [ "stand-in" ])
      );
      nixos.tags = strings;
      stateVersion = option types.str;
    };
    systemd = {
      coredump.enable = on;
      network.networks = each {
        matchConfig = freely;
        linkConfig = freely;
      };
      paths = each (unit // { pathConfig = freely; });
      targets = each unit;
      services = each (
        unit
        // {
          path = with' (types.listOf types.package) [ ];
          script = text;
          serviceConfig = freely;
        }
      );
      tmpfiles.rules = strings;
    };
    users = {
      allowNoPasswordLogin = flag;
      mutableUsers = on;
      groups = each { };
      users = each {
        description = with' types.str "";
        extraGroups = strings;
        group = with' types.str "";
        hashedPassword = with' (types.nullOr types.str) null;
        isNormalUser = flag;
        isSystemUser = flag;
        openssh.authorizedKeys.keys = strings;
      };
    };
    virtualisation = {
      docker = {
        enable = flag;
        autoPrune.enable = flag;
        logDriver = with' types.str "journald";
      };
      oci-containers = {
        backend = with' (types.enum [
          "podman"
          "docker"
        ]) "podman";
        containers = each {
          image = option types.str;
          environment = with' (types.attrsOf types.str) { };
          environmentFiles = with' (types.listOf types.path) [ ];
          extraOptions = strings;
          volumes = strings;
        };
      };
    };
    xdg.icons.enable = on;
    xdg.mime.enable = on;
    xdg.sounds.enable = on;
  };

  config = {
    # As in nixpkgs: what is not true ends the evaluation; nobody may be locked out unawares; a service is wanted.
    assertions = [
      {
        assertion =
          config.users.mutableUsers
          || config.users.allowNoPasswordLogin
          || builtins.any (user: user.openssh.authorizedKeys.keys != [ ]) (
            builtins.attrValues config.users.users
          );
        message = "Neither the root account nor any wheel user has a password or SSH authorized key.";
      }
      {
        assertion =
          config.boot.loader.grub.enable != config.boot.loader.systemd-boot.enable
          || !(config.system.build ? image);
        message = "There has to be one boot loader.";
      }
      {
        assertion =
          !config.system.etc.overlay.enable
          || config.system.etc.overlay.mutable
          || config.services.userborn.enable;
        message = "system.etc.overlay.mutable can only be disabled with userborn.";
      }
    ];
    systemd.services = lib.mkMerge [
      (lib.mkIf config.services.alloy.enable { alloy.wantedBy = [ "multi-user.target" ]; })
      (lib.mkIf config.services.cachix-agent.enable { cachix-agent.wantedBy = [ "multi-user.target" ]; })
      (lib.concatMapAttrs (name: _: {
        "github-runner-${name}".wantedBy = [ "multi-user.target" ];
      }) config.services.github-runners)
      (lib.concatMapAttrs (name: _: {
        "${config.virtualisation.oci-containers.backend}-${name}".wantedBy = [ "multi-user.target" ];
      }) config.virtualisation.oci-containers.containers)
    ];
    users.users = lib.mkIf config.services.amazon-ssm-agent.enable {
      ssm-user.isNormalUser = true;
    };
    # Everything is looked at, also what no image needs.
    system.build.toplevel =
      if failed != [ ] then
        throw "Failed assertions: ${(builtins.head failed).message}"
      else
        builtins.deepSeq (builtins.removeAttrs defined [
          "assertions"
          "image"
          "system"
        ]) (pkgs.writeText "system" config.system.nixos.label);
  };
}
