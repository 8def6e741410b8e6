# What every image has: it boots by UEFI from a disk of a fixed size, what it is made of cannot be changed from inside, and
# whoever logs in does so with a key.
{ config, lib, ... }:
let
  cfg = config.publish;
in
{
  # It is of no use elsewhere, but an image for both clouds says once which one it wants.
  imports = [ ../mixins/azure-agent ];

  options.publish = {
    clouds = lib.mkOption {
      type = lib.types.listOf (
        lib.types.enum [
          "azure"
          "aws"
        ]
      );
      default = [ ];
      description = "The clouds that the machine may run on. The profiles of the clouds say it.";
    };
    image = {
      name = lib.mkOption {
        type = lib.types.str;
        example = "ecs-node";
        description = "What the image is called: its file, and the machine where nothing else names it.";
      };
      size = lib.mkOption {
        type = lib.types.ints.positive;
        default = 4096;
        example = 8192;
        description = ''
          Size of the disk in MiB. It is a number because of nixpkgs #516860: without one, the disk grows after its VHD footer
          was written, and Azure refuses it. A disk that is larger from the start spares a machine the growing when it first
          boots; zeros are not uploaded.
        '';
      };
      compress = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether the VHD for both clouds is stored inside zstd, which `publish` unpacks on the way.";
      };
    };
    admin = {
      name = lib.mkOption {
        type = lib.types.str;
        default = "admin";
        description = "The user who administers the machine: in `wheel`, without a password.";
      };
      keys = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        example = [ "ssh-ed25519 AAAAC3… me@example.com" ];
        description = "The SSH keys by which that user logs in. They are in the image; a cloud's own key pair is not asked for.";
      };
    };
  };

  config = {
    # A machine's place in its network is its cloud's to say, its name is not: between this and nixpkgs' modules for the
    # clouds, which set an empty one by default, this wins.
    networking.hostName = lib.mkOverride 900 cfg.image.name;

    boot.loader = {
      grub.enable = lib.mkForce false;
      systemd-boot = {
        enable = true;
        # Whoever may reach the console may not change what is booted.
        editor = false;
        configurationLimit = lib.mkDefault 5;
      };
      # An image is made on another machine than it boots on: firmware finds it at the path for removable media.
      efi.canTouchEfiVariables = false;
      timeout = lib.mkDefault 1;
    };
    boot.initrd.systemd.enable = lib.mkDefault true;
    # The first machine with a larger disk uses all of it.
    boot.growPartition = lib.mkDefault true;
    boot.tmp.cleanOnBoot = lib.mkDefault true;

    # Users and groups are what the configuration says. What a machine makes of itself is under /var, /home and /root; the
    # store, and with it all programs and what they are configured by, is read-only.
    users.mutableUsers = false;
    users.users.root.hashedPassword = "!";
    users.users.${cfg.admin.name} = {
      isNormalUser = true;
      description = "Administrator";
      extraGroups = [ "wheel" ];
      # No password is one that fits.
      hashedPassword = "!";
      openssh.authorizedKeys.keys = cfg.admin.keys;
    };
    # An image without a key is one that nobody logs in to, which may be what is wanted.
    users.allowNoPasswordLogin = cfg.admin.keys == [ ];
    warnings = lib.optional (
      cfg.admin.keys == [ ]
    ) "publish.admin.keys is empty: nobody can log in to ${cfg.image.name} over SSH.";
    # There is no password to ask for.
    security.sudo.wheelNeedsPassword = false;

    services.openssh = {
      enable = true;
      settings = {
        PasswordAuthentication = false;
        KbdInteractiveAuthentication = false;
        PermitRootLogin = lib.mkForce "no";
      };
    };

    # Only what a server needs.
    documentation.enable = lib.mkDefault false;
    documentation.nixos.enable = lib.mkDefault false;
    environment.defaultPackages = lib.mkDefault [ ];
    fonts.fontconfig.enable = lib.mkDefault false;
    xdg.icons.enable = lib.mkDefault false;
    xdg.mime.enable = lib.mkDefault false;
    xdg.sounds.enable = lib.mkDefault false;

    system.stateVersion = lib.mkDefault "26.05";
  };
}
