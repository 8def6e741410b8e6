# A service that starts when its secret is there, whenever something puts it there: user data, a provisioner, a
# person. Until then it is not started, and has not failed.
{ lib }:
{ service, file }:
{
  systemd.paths.${service} = {
    description = "The secret of ${service}";
    wantedBy = [ "multi-user.target" ];
    pathConfig.PathExists = file;
  };
  systemd.services.${service} = {
    wantedBy = lib.mkForce [ ];
    unitConfig.ConditionPathExists = file;
  };
}
