# A service that starts when its secret is there, whenever something puts it there: user data, a provisioner, a
# person. Until then it is not started, and has not failed.
{ lib }:
{ service, file }:
{
  # systemd starts what a path is for again each time that it has stopped, for as long as the file is there. A target does not stop:
  # it is reached once, and what becomes of the service after that is the service's own affair.
  systemd.paths."${service}-secret" = {
    description = "The secret of ${service}";
    wantedBy = [ "multi-user.target" ];
    pathConfig = {
      PathExists = file;
      Unit = "${service}-secret.target";
    };
  };
  systemd.targets."${service}-secret" = {
    description = "The secret of ${service} is there";
    wants = [ "${service}.service" ];
  };
  systemd.services.${service} = {
    wantedBy = lib.mkForce [ ];
    unitConfig.ConditionPathExists = file;
  };
}
