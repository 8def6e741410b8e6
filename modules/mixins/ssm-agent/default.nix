# AWS Systems Manager's agent: a way in without SSH, by the machine's own role. It has no secret. On other clouds it does not start,
# and nobody is let in as its user, who may do everything.
{
  services.amazon-ssm-agent.enable = true;
  # One of the two: Nitro, and Xen before it.
  systemd.services.amazon-ssm-agent.unitConfig.ConditionVirtualization = [
    "|amazon"
    "|xen"
  ];
}
