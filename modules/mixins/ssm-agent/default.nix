# AWS Systems Manager's agent: a way in without SSH, by the machine's own role. It has no secret, and does nothing elsewhere.
{
  services.amazon-ssm-agent.enable = true;
  # One of the two: Nitro, and Xen before it.
  systemd.services.amazon-ssm-agent.unitConfig.ConditionVirtualization = [
    "|amazon"
    "|xen"
  ];
}
