# What the image is, beside what every image is.
{
  publish.admin.keys = [
    # "ssh-ed25519 AAAA… you@example.com"
  ];
  publish.image.size = 4096;

  services.nginx.enable = true;
  networking.firewall.allowedTCPPorts = [ 80 ];
}
