# What the images are to be, looked at in their configurations; with the stand-in for nixpkgs beside this file.
#
#     nix-instantiate --eval --strict nix/tests
let
  nixpkgs = (import ./nixpkgs/flake.nix).outputs { self.outPath = toString ./nixpkgs; };
  inherit (nixpkgs) lib;
  image = import ../image.nix { inherit nixpkgs; };
  images = import ../images.nix;

  systems = [
    "x86_64-linux"
    "aarch64-linux"
  ];
  variants = [
    "universal"
    "azure"
    "amazon"
  ];

  # An image in one variant, and its configuration.
  build =
    {
      name ? "node",
      system ? "x86_64-linux",
      variant ? "universal",
      modules ? [ ],
    }:
    (image { inherit name system modules; }).${variant};
  configOf = settings: (build settings).passthru.config;
  # One that is evaluated whole, and what it was to be.
  works = configuration: builtins.isString "${configuration.system.build.toplevel}";
  fails = configuration: !(builtins.tryEval (works configuration)).success;
  has = list: wanted: builtins.all (one: builtins.elem one list) wanted;
  node = modules: configOf { inherit modules; };

  # Of every image in every variant for every system.
  everywhere = builtins.concatMap (
    system:
    builtins.concatMap (
      variant:
      lib.mapAttrsToList (
        name: modules:
        let
          built = build {
            inherit
              name
              system
              variant
              modules
              ;
          };
          inherit (built.passthru) config;
          users = builtins.attrValues config.users.users;
          secrets = lib.mapAttrsToList (_: path: path.pathConfig.PathExists) config.systemd.paths;
        in
        {
          "${name}, ${variant}, ${system}: evaluates" = works config;
          "${name}, ${variant}, ${system}: keeps its name" = config.networking.hostName == name;
          "${name}, ${variant}, ${system}: has a disk of the size that is asked for" =
            built.diskSize == config.publish.image.size;
          "${name}, ${variant}, ${system}: boots by UEFI with systemd-boot" =
            config.boot.loader.systemd-boot.enable
            && !config.boot.loader.grub.enable
            && config.fileSystems."/boot".fsType == "vfat";
          "${name}, ${variant}, ${system}: takes no password" =
            !config.users.mutableUsers
            && builtins.all (
              user:
              builtins.elem user.hashedPassword [
                null
                "!"
              ]
            ) users
            && !config.services.openssh.settings.PasswordAuthentication
            && config.services.openssh.settings.PermitRootLogin == "no";
          "${name}, ${variant}, ${system}: has its file named after it" =
            lib.hasPrefix "${name}-" config.image.fileName
            && lib.hasSuffix "-${system}.vhd" config.image.filePath;
          "${name}, ${variant}, ${system}: waits for its secrets" = builtins.all (
            secret: lib.hasPrefix "/run/keys/" secret
          ) secrets;
        }
      ) images
    ) variants
  ) systems;

  key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@example.com";
  walinuxagent.publish.azureAgent.kind = "walinuxagent";
  agent = modules: variant: (configOf { inherit modules variant; }).services.waagent.enable;
  reports = variant: (configOf { inherit variant; }).systemd.services ? azure-report-ready;
  immutable = {
    imports = [ ../../modules/profiles/hardening.nix ];
    publish.hardening.immutableEtc = true;
  };
  runner = {
    imports = [ ../../modules/mixins/github-actions ];
    publish.githubRunner.url = "https://github.com/example";
  };
  forwarder = {
    imports = [ ../../modules/mixins/alloy-forwarder ];
    publish.alloyForwarder.url = "https://otlp.example.com/otlp";
  };
  alloy = {
    imports = [ ../../modules/mixins/alloy ];
    publish.alloy.endpoint = "gc-fwd:4317";
  };
  text = file: file.text;

  single = {
    "universal has the drivers of both clouds" = has (node [ ]).boot.initrd.availableKernelModules [
      "hv_storvsc"
      "hv_vmbus"
      "nvme"
      "ena"
    ];
    "universal may be compressed" =
      lib.hasSuffix ".vhd.zst"
        (node [ { publish.image.compress = true; } ]).image.fileName;
    "the size is an option" =
      (configOf {
        variant = "azure";
        modules = [ { publish.image.size = 9000; } ];
      }).virtualisation.diskSize == 9000;
    "a fraction of a size is refused" = fails (node [ { publish.image.size = 4096.5; } ]);
    "no size is refused" = fails (node [ { publish.image.size = 0; } ]);
    "a name of one's own counts" =
      (node [ { networking.hostName = "web"; } ]).networking.hostName == "web";
    "an option that is none is refused" = fails (node [ { publish.image.sise = 4096; } ]);

    "a key lets its owner in" =
      let
        config = node [ { publish.admin.keys = [ key ]; } ];
      in
      works config
      && config.users.users.admin.openssh.authorizedKeys.keys == [ key ]
      && !config.users.allowNoPasswordLogin
      && config.warnings == [ ];
    "no key is said" = (node [ ]).warnings != [ ];
    "the administrator has another name" =
      has (node [ { publish.admin.name = "ops"; } ]).users.users.ops.extraGroups
        [ "wheel" ];

    "Azure is told that a machine is ready" = builtins.all reports [
      "universal"
      "azure"
    ];
    "EC2 is not" = !reports "amazon";
    "walinuxagent is there where it is asked for" =
      agent [ walinuxagent ] "azure" && agent [ walinuxagent ] "universal";
    "and nowhere else" = !agent [ ] "azure" && !agent [ ] "universal";
    "nothing is there where nothing is asked for" =
      let
        config = configOf {
          variant = "azure";
          modules = [ { publish.azureAgent.kind = "none"; } ];
        };
      in
      !config.services.waagent.enable && !(config.systemd.services ? azure-report-ready);
    "cloud-init is not in Azure's image" =
      !(configOf { variant = "azure"; }).services.cloud-init.enable;
    "user data rebuilds no machine" =
      !(configOf { variant = "amazon"; }).virtualisation.amazon-init.enable;
    "another agent is refused" = fails (node [ { publish.azureAgent.kind = "cloud-init"; } ]);
    "/etc is immutable where that is asked for" =
      works (node [ immutable ]) && !(node [ immutable ]).system.etc.overlay.mutable;
    "and nothing writes there on EC2" =
      let
        config = configOf {
          variant = "amazon";
          modules = [ immutable ];
        };
      in
      works config && !config.systemd.services.fetch-ec2-metadata.enable;
    "and not with walinuxagent" = fails (node [
      immutable
      walinuxagent
    ]);

    "a secret in the store is refused" = fails (node [
      runner
      { publish.githubRunner.tokenFile = toString (builtins.toFile "token" "x"); }
    ]);
    "a secret that would be copied there is refused" = fails (node [
      runner
      { publish.githubRunner.tokenFile = ./default.nix; }
    ]);
    "a runner waits for its token" =
      let
        unit = (node [ runner ]).systemd;
      in
      unit.services.github-runner-runner.wantedBy == [ ]
      && unit.services.github-runner-runner.unitConfig.ConditionPathExists == "/run/keys/github-runner"
      && unit.paths.github-runner-runner-secret.wantedBy == [ "multi-user.target" ]
      && unit.targets.github-runner-runner-secret.wants == [ "github-runner-runner.service" ];
    "a runner without an organization is refused" = fails (node [
      ../../modules/mixins/github-actions
    ]);

    "the ECS agent waits for its configuration" =
      (node [ ../../modules/mixins/ecs-agent ])
      .systemd.paths.docker-ecs-agent-secret.pathConfig.PathExists == "/run/keys/ecs.config";
    "its variables can be others" =
      (node [
        ../../modules/mixins/ecs-agent
        { publish.ecsAgent.environment.ECS_LOGLEVEL = "debug"; }
      ]).virtualisation.oci-containers.containers.ecs-agent.environment.ECS_LOGLEVEL == "debug";
    "Docker is measured where Alloy is" =
      (node [
        alloy
        ../../modules/mixins/docker
      ]).environment.etc
        ? "alloy/docker.alloy"
      && !((node [ ../../modules/mixins/docker ]).environment.etc ? "alloy/docker.alloy");
    "a forwarder sends where it is told to, and not where the others send" =
      lib.hasInfix "https://otlp.example.com/otlp" (
        text (node [ forwarder ]).environment.etc."alloy/config.alloy"
      )
      && !lib.hasInfix "gc-fwd" (text (node [ forwarder ]).environment.etc."alloy/config.alloy")
      && lib.hasInfix "gc-fwd:4317" (text (node [ alloy ]).environment.etc."alloy/config.alloy");
    "a forwarder is reached" = has (node [ forwarder ]).networking.firewall.allowedTCPPorts [
      3100
      4317
    ];
    "Cachix knows the machine by its name" =
      (node [ ../../modules/mixins/cachix-agent ]).services.cachix-agent.name == "node";
    "Systems Manager's agent starts on EC2 alone" =
      (node [ ]).systemd.services.amazon-ssm-agent.unitConfig.ConditionVirtualization == [
        "|amazon"
        "|xen"
      ];
    "who comes in through Systems Manager may administer" =
      has
        (node [
          ../../modules/profiles/hardening.nix
        ]).users.users.ssm-user.extraGroups
        [ "wheel" ];
    "all mixins go together" = works (node [
      alloy
      runner
      ../../modules/mixins/cachix-agent
      ../../modules/mixins/ecs-agent
      ../../modules/profiles/hardening.nix
    ]);

    # nixos-generators, as its `nixosGenerate` is called and answers.
    "nixos-generators serves too" =
      let
        generated =
          import ../image.nix
            {
              inherit nixpkgs;
              nixos-generators.nixosGenerate =
                {
                  system,
                  modules,
                  format,
                  customFormats,
                }:
                let
                  known = {
                    azure.imports = [ ./nixpkgs/nixos/modules/virtualisation/azure-image.nix ];
                    amazon.imports = [ ./nixpkgs/nixos/modules/virtualisation/amazon-ec2-image.nix ];
                  };
                  inherit
                    (nixpkgs.lib.nixosSystem {
                      modules = modules ++ [
                        (known.${format} or { })
                        { nixpkgs.hostPlatform = system; }
                      ];
                    })
                    config
                    ;
                in
                config.system.build.${customFormats.${format}.formatAttr or "image"};
            }
            {
              name = "node";
              system = "x86_64-linux";
              modules = [ ];
            };
      in
      builtins.all (variant: generated.${variant}.type == "derivation") variants;
  };

  expected = builtins.foldl' (all: some: all // some) single everywhere;
  unmet = builtins.filter (name: !expected.${name}) (builtins.attrNames expected);
in
if unmet == [ ] then
  "${toString (builtins.length (builtins.attrNames expected))} expectations are met"
else
  throw "not so: ${builtins.concatStringsSep "; " unmet}"
