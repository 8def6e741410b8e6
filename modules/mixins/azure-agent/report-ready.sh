# Reports to Azure's host that the machine is ready (Azure documentation, "Creating generalized images without a
# provisioning agent"). The host answers at this address in every network of Azure.
set -euo pipefail
host=${AZURE_HOST:-http://168.63.129.16}

ask() { curl --silent --show-error --fail --max-time 10 --retry 4 --retry-delay 5 --retry-connrefused --header 'x-ms-version: 2012-11-30' "$@"; }

goal=$(ask "$host/machine?comp=goalstate" | tr -d '\r\n')
field() { sed -n "s|.*<$1>\([^<]*\)</$1>.*|\1|p" <<< "$goal"; }
incarnation=$(field Incarnation)
container=$(field ContainerId)
instance=$(field InstanceId)
if [ -z "$incarnation" ] || [ -z "$container" ] || [ -z "$instance" ]; then
    echo 'the host does not say which machine this is' >&2
    exit 1
fi

ask --header 'x-ms-agent-name: publish' --header 'Content-Type: text/xml;charset=utf-8' --data-binary @- "$host/machine?comp=health" << EOF
<?xml version="1.0" encoding="utf-8"?>
<Health xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
  <GoalStateIncarnation>$incarnation</GoalStateIncarnation>
  <Container>
    <ContainerId>$container</ContainerId>
    <RoleInstanceList>
      <Role>
        <InstanceId>$instance</InstanceId>
        <Health>
          <State>Ready</State>
        </Health>
      </Role>
    </RoleInstanceList>
  </Container>
</Health>
EOF
echo 'Azure knows that this machine is ready'
